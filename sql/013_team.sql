-- What people wrote at a moment of a recording, and searches of calls by how they ended for the agent.

create table recording_comment (
    id         bigint generated always as identity primary key,
    recording  text collate "C" not null,
    at_ms      bigint      not null check (at_ms >= 0),   -- from the recording's beginning
    operator   text        not null,
    text       text        not null check (text <> ''),
    key        text        not null,                      -- of the form that was sent: once, however often it comes
    created_at timestamptz not null default now(),
    removed_at timestamptz,
    unique (operator, key)
);
create index recording_comment_recording on recording_comment (recording, at_ms) where removed_at is null;

create index agent_interval_code on agent_interval (contact) where code is not null;
create index cdr_trunk on cdr (trunk, started_at desc, contact_id desc) where trunk is not null;
