-- Work for later, handed to lq.worker in the transaction that decided on it: at least once, in no order.
create table outbox (
    id           bigint generated always as identity primary key,
    kind         text        not null,            -- which handler of lq.worker
    body         jsonb       not null,
    state        text        not null default 'queued' check (state in ('queued', 'running', 'done', 'failed')),
    run_at       timestamptz not null default now(),
    attempts     int         not null default 0,
    locked_until timestamptz,                     -- a running row past this belongs to a dead worker
    last_error   text,
    created_at   timestamptz not null default now(),
    done_at      timestamptz
);
create index outbox_due on outbox (run_at) where state = 'queued';
create index outbox_running on outbox (locked_until) where state = 'running';
create index outbox_done on outbox (done_at) where state in ('done', 'failed');
