"""Types and reasons of conditions. `docs/concepts.md` says what each reason means and what to do about it."""

from __future__ import annotations

from enum import StrEnum


class ConditionType(StrEnum):
    """The type of a condition."""

    READY = "Ready"
    RECONCILING = "Reconciling"
    STALLED = "Stalled"
    CONFIGURED = "Configured"
    HOSTS_PROVISIONED = "HostsProvisioned"
    STEPS_COMPLETED = "StepsCompleted"
    PERIODIC_PUPPET_ENABLED = "PeriodicPuppetEnabled"
    PAUSED = "Paused"
    DRIFTED = "Drifted"
    DELETING = "Deleting"


class Reason(StrEnum):
    """The reason of a condition or an event."""

    # All is well
    READY = "Ready"
    VALID = "Valid"
    CONNECTED = "Connected"
    DONE = "Done"
    DISABLED = "Disabled"
    IN_SYNC = "InSync"
    # Work in progress
    ACCEPTED = "Accepted"
    WAITING = "Waiting"
    CONFIGURING = "Configuring"
    PROVISIONING = "Provisioning"
    QUIESCING = "Quiescing"
    MOVING = "Moving"
    RUNNING_STEPS = "RunningSteps"
    RESUMING_PUPPET = "ResumingPuppet"
    SETTLING = "Settling"
    FINISHING_STEP = "FinishingStep"
    RETRYING = "Retrying"
    PAUSED = "Paused"
    DELETING = "Deleting"
    # Waiting for something outside
    WAITING_FOR_SECRET = "WaitingForSecret"
    SERVER_NOT_READY = "ServerNotReady"
    FOREMAN_UNREACHABLE = "ForemanUnreachable"
    # A bug in the operator
    INTERNAL_ERROR = "InternalError"
    # A person must act: deployments and Stacks
    INVALID_SPEC = "InvalidSpec"
    INVALID_STACK = "InvalidStack"
    STACK_NOT_FOUND = "StackNotFound"
    STACK_NOT_READY = "StackNotReady"
    SERVER_NOT_FOUND = "ServerNotFound"
    NOT_PERMITTED = "NotPermitted"
    MISSING_PARAMETERS = "MissingParameters"
    PREFLIGHT_FAILED = "PreflightFailed"
    NAME_CONFLICT = "NameConflict"
    PROVISIONING_FAILED = "ProvisioningFailed"
    HOST_MISSING = "HostMissing"
    SHADOWED = "Shadowed"
    STEP_FAILED = "StepFailed"
    CHANGE_NOT_SUPPORTED = "ChangeNotSupported"
    SCALE_DOWN_REFUSED = "ScaleDownRefused"
    FOREMAN_REWOUND = "ForemanRewound"
    FOREMAN_REFUSED = "ForemanRefused"
    # A person must act: servers
    UNREACHABLE = "Unreachable"
    UNAUTHORIZED = "Unauthorized"
    FORBIDDEN = "Forbidden"
    CREDENTIALS_MISSING = "CredentialsMissing"
    NOT_FOREMAN = "NotForeman"
    VERSION_NOT_SUPPORTED = "VersionNotSupported"
    PLUGIN_MISSING = "PluginMissing"
    FEATURE_MISSING = "FeatureMissing"
    # After Ready
    DRIFTED = "Drifted"
    # Only for events, not for conditions
    RETAINED = "Retained"
