from __future__ import annotations

from foreman_stacks.foreman.port import Change
from foreman_stacks.reconcile.memory import OFTEN, VAIN_FOR, Memory
from tests.unit.foreman_stacks.made import NOW, later

POST = Change("create", "hostgroup", "Base/zk")


def test_a_hostgroup_of_a_plan_that_an_earlier_process_accepted_may_still_appear() -> None:
    memory = Memory(started=NOW)
    assert memory.group_may_appear_until("plan", 300, "Base/zk") == later(300)
    assert memory.group_may_appear_until("", 300) is None, "nobody posts before a plan is accepted"


def test_a_plan_of_our_own_has_nothing_on_its_way_but_what_we_posted_without_an_answer() -> None:
    memory = Memory(started=NOW)
    memory.accept("", "one")
    assert memory.group_may_appear_until("one", 300) is None
    memory.sending(POST, later(10))
    assert memory.group_may_appear_until("one", 300, "Base/zk") == later(310)
    assert memory.group_may_appear_until("one", 300, "Base/other") is None
    assert memory.group_may_appear_until("one", 300) == later(310), "any one"
    memory.done(POST, None, later(20))
    assert memory.group_may_appear_until("one", 300) is None


def test_what_could_not_be_sent_at_all_is_not_on_its_way() -> None:
    memory = Memory(started=NOW, accepted={"one"})
    memory.sending(POST, later(10))
    memory.never_sent(POST)
    assert memory.group_may_appear_until("one", 300) is None


def test_a_plan_that_follows_one_of_an_earlier_process_is_not_all_ours() -> None:
    memory = Memory(started=NOW)
    memory.accept("theirs", "edited")
    assert memory.group_may_appear_until("edited", 300) == later(300)
    memory.accept("", "ours")
    memory.accept("ours", "ours, edited")
    assert memory.group_may_appear_until("ours, edited", 300) is None


def test_what_was_written_often_is_vain_for_a_while_and_other_content_never_was() -> None:
    memory, same = Memory(started=NOW), Change("update", "host_parameter", "a x", {"value": "1"}, (1, "x"))
    for number in range(OFTEN):
        assert not memory.vain(same, later(number)), number
        memory.done(same, None, later(number))
    assert memory.vain(same, later(OFTEN))
    assert not memory.vain(Change("update", "host_parameter", "a x", {"value": "2"}, (1, "x")), later(OFTEN))
    weeks = VAIN_FOR.total_seconds() * 1000
    assert not memory.vain(same, later(weeks)), "somebody who changes it back now and then"
    memory.done(same, None, later(weeks))
    assert memory.vain(same, later(weeks + 1)), "once more, and it helped nothing"
    memory.forgive()
    assert not memory.vain(same, later(weeks + 1)), "a person asks"


def test_when_the_clock_is_set_back_nothing_is_waited_for_any_longer_than_it_would_be_otherwise() -> None:
    ahead, job, same = later(6 * 3600), Change("start", "job", "t", intent=True), Change("update", "host", "a")
    memory = Memory(started=ahead, missing={"a": ahead}, building={"a": ahead})
    memory.sending(POST, ahead)
    memory.sending(job, ahead)
    for _ in range(OFTEN):
        memory.done(same, None, ahead)
    memory.clock(NOW)
    memory.clock(later(10))
    assert memory.settled_at("t", NOW, 300) == later(300)
    assert memory.group_may_appear_until("one", 300) == later(300)
    assert (memory.missing, memory.building) == ({"a": NOW}, {"a": NOW})
    assert not memory.vain(same, later(10))
