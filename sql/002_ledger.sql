-- The ledger's projection. `event` is the truth in PostgreSQL; contact, segment, cdr, recording and agent_interval are
-- folds over it (lq/ledger/fold.py) and may be made again from it at any time. Only the journal writes here.

-- Plain, not partitioned: (subject, seq) must be unique for ever, and a unique index of a table partitioned by month
-- would have to contain the time, which a repeated event of a restarted recorder need not repeat.
create table event (
    subject   text collate "C" not null,
    seq       bigint           not null,
    type      text             not null,
    v         smallint         not null,
    at        timestamptz      not null,
    contact   text collate "C",                   -- the contact that an event of another subject belongs to
    data      jsonb            not null,
    stream_ms bigint           not null,          -- its place in the Redis stream: <stream_ms>-<stream_n>
    stream_n  bigint           not null,
    primary key (subject, seq)
);
create index event_contact on event (contact) where contact is not null;
create index event_stream on event (stream_ms, stream_n);
create index event_at on event using brin (at);

-- Entries that are no events, or events that cannot be folded: kept as they came, for people.
create table event_rejected (
    stream_id text primary key,
    at        timestamptz not null default now(),
    reason    text        not null,
    entry     jsonb       not null
);

create table journal_checkpoint (
    name      text primary key,
    stream_id text        not null,
    at        timestamptz not null default now()
);

create table contact (
    id               text collate "C" primary key,
    direction        text        not null,        -- in | out | internal
    state            text        not null,        -- started | ivr | queued | ringing | talking | held | echo | ended
    number           text        not null,        -- the other party: E.164 or a short number
    number_raw       text        not null,        -- as received
    number_published text        not null,        -- as shown
    called           text        not null,
    called_raw       text        not null,
    called_published text        not null,
    trunk            text,
    phone            text,
    queue            text,                        -- the last queue
    agent            text,                        -- the last agent who talked with it
    started_at       timestamptz not null,
    ended_at         timestamptz,
    notice_played_at timestamptz,                 -- the recording notice was heard to its end
    body             jsonb       not null         -- Contact as LQ-SDK shows it
);
create index contact_started on contact (started_at desc, id desc);
create index contact_open on contact (started_at) where ended_at is null;

create table segment (
    contact_id text collate "C" not null references contact (id) on delete cascade,
    n          int         not null,
    kind       text        not null,              -- ivr | queue | ring | talk | hold | echo | wrap_up …
    queue      text,
    agent      text,
    started_at timestamptz not null,
    ended_at   timestamptz,
    reason     text,                              -- why it ended, in the words of the event
    outcome    text,                              -- of a queue segment: waiting | answered | abandoned | overflowed
    duration_s double precision,
    primary key (contact_id, n, kind)
);
create index segment_queue on segment (queue, started_at) where kind = 'queue';
create index segment_agent on segment (agent, started_at) where agent is not null;

create table cdr (
    contact_id       text collate "C" primary key,
    direction        text             not null,
    number           text             not null,
    number_raw       text             not null,
    number_published text             not null,
    called           text             not null,
    called_raw       text             not null,
    called_published text             not null,
    trunk            text,
    queue            text,
    agent            text,
    started_at       timestamptz      not null,
    queued_at        timestamptz,
    answered_at      timestamptz,
    ended_at         timestamptz      not null,
    wait_s           double precision not null default 0,
    ring_s           double precision not null default 0,
    talk_s           double precision not null default 0,
    hold_s           double precision not null default 0,
    wrap_up_s        double precision not null default 0,
    result           text             not null,   -- lq.ledger.events.RESULTS
    ended_by         text             not null,   -- caller | agent | system
    cause            int              not null,   -- Q.850
    sip              int,
    recording_id     text,
    survey           text
);
create extension if not exists pg_trgm;
create index cdr_started on cdr (started_at desc, contact_id desc);
create index cdr_agent on cdr (agent, started_at desc, contact_id desc);
create index cdr_queue on cdr (queue, started_at desc, contact_id desc);
-- any part of a number, three digits or more
create index cdr_numbers on cdr using gin (number gin_trgm_ops, number_published gin_trgm_ops, called_published gin_trgm_ops);

create table recording (
    id          text collate "C" primary key,     -- <contact>-r<n>
    contact_id  text        not null,
    kind        text        not null,             -- talk | whole | voicemail
    state       text        not null,             -- planned | active | closing | stored | verified | failed
    agent       text,
    leg         text,
    spool       text,
    path        text,                             -- below LCALL_RECORDINGS
    format      text,
    channels    int,
    started_at  timestamptz,
    planned_at  timestamptz,
    duration_ms bigint,
    bytes       bigint,
    sha256      text,
    gaps        jsonb       not null default '[]',
    reason      text                              -- of a failed one
);
create index recording_contact on recording (contact_id);
-- the sweeper's question (R11): which recordings are not at rest
create index recording_unfinished on recording (state) where state not in ('verified', 'failed');

-- Every instant of a signed-in agent is in exactly one row (R4).
create table agent_interval (
    agent      text        not null,
    seq        bigint      not null,              -- of the agent_state_changed that began it
    state      text        not null,
    reason     text,
    phone      text,
    contact    text,
    code       text,                              -- wrap-up code
    started_at timestamptz not null,
    ended_at   timestamptz,
    primary key (agent, seq)
);
create index agent_interval_started on agent_interval (started_at);
