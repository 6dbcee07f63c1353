"""Recordings of a contact (R11): planned before the media is asked for, and never a reason for a call to fail."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

from lq.contacts import effects as do
from lq.contacts import inputs
from lq.contacts.contact import Recording
from lq.contacts.turn import Turn


def start(turn: Turn, kind: Literal["talk", "whole"], leg: int) -> None:
    contact = turn.contact
    turn.set(recording=Recording(f"{contact.id}-r1", kind, leg, "planned"))
    turn.emit("recording_planned", kind=kind, agent=contact.agent)
    turn.do(do.StartRecording(leg, f"{contact.id}-r1"))


def started(turn: Turn, given: inputs.RecordingStarted) -> None:
    recording = turn.contact.recording
    if recording is None or recording.state != "planned":
        return
    if given.failed:
        turn.set(recording=replace(recording, state="failed"))
        turn.emit("recording_failed", reason=given.failed)
    else:
        turn.set(recording=replace(recording, state="active"))
        turn.emit("recording_active", leg=turn.contact.leg_id(given.leg), spool="local")


def close(turn: Turn) -> None:
    """The leg's media is about to be deleted, which closes its file."""
    recording = turn.contact.recording
    if recording is not None and recording.state in ("planned", "active"):
        turn.set(recording=replace(recording, state="closing"))
        turn.emit("recording_closing")
