-- Queues by the quarter of an hour in which callers began to wait: what boards and reports add up. A fold over `segment`
-- (lq/ledger/metrics.py says what each column counts), written by the journal in the transaction that changes segments.
-- Quarters begin on UTC's: every time zone in use is a multiple of 15 minutes away.
create table queue_interval (
    queue            text        not null,
    started_at       timestamptz not null,
    service_level_s  double precision not null,   -- as the queue's setting was when this was counted
    answered         int         not null,
    abandoned        int         not null,
    overflowed       int         not null,
    waiting          int         not null,
    in_time          int         not null,
    short_abandoned  int         not null,
    answered_wait_s  double precision not null,   -- sum, of those who were answered
    abandoned_wait_s double precision not null,   -- sum, of those who gave up
    longest_wait_s   double precision not null,
    overflowed_by    jsonb       not null,        -- reason -> how many
    primary key (queue, started_at)
);
create index queue_interval_started on queue_interval (started_at);
