"""The demo ends what an earlier one left running, and says so."""

from pathlib import Path

import pytest

import control_plane
import demo


@pytest.mark.parametrize("kept", [True, False])
def test_a_kept_demo_is_ended_with_a_word_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], kept: bool
) -> None:
    def fails(_: demo.Demo) -> None:
        raise demo.DemoError("enough seen")

    monkeypatch.setattr(demo, "DEMO", tmp_path / "demo")
    monkeypatch.setattr(demo, "STATE", tmp_path / "demo" / "demo.json")
    monkeypatch.setattr(demo, "_set_up", fails)
    monkeypatch.setattr(control_plane, "stop", lambda _: None)
    if kept:
        demo.DEMO.mkdir()
        demo.STATE.write_text("[]")
    assert demo.up(keep=False) == 1
    told = ["The demo that was left running is stopped, and a new one started.", "The demo is stopped."] if kept else []
    assert capsys.readouterr().out.splitlines() == told
