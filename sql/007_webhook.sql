-- What is told to receivers outside (lq/worker/webhooks.py).

-- In which order the journal has written events: what a reader of this table has not seen lies behind what it has, also
-- when Redis was begun anew and its ids run behind. Old rows stay without one, so that no table is written anew. The
-- journal is one at a time (the lock of journal_checkpoint), so the order of numbers is the order of commits.
create sequence event_number as bigint;
alter table event add column n bigint;
alter table event alter column n set default nextval('event_number');
create index event_n on event (n) where n is not null;

create table webhook_checkpoint (
    one boolean primary key default true check (one),
    n   bigint  not null                          -- of the last event that was looked at
);
insert into webhook_checkpoint (n) values (0);

create table webhook_delivery (
    id           bigint generated always as identity primary key,
    webhook      text        not null,
    event        text        not null,            -- its place in the stream: the id that LQ-SDK shows
    type         text        not null,
    contact      text collate "C",                -- what is told of one contact is told in its order
    body         text        not null,            -- as it is sent and signed
    state        text        not null default 'queued' check (state in ('queued', 'running', 'done', 'failed')),
    created_at   timestamptz not null default now(),
    run_at       timestamptz not null default now(),
    locked_until timestamptz,                     -- a running row past this belongs to a dead worker
    done_at      timestamptz,
    attempts     jsonb       not null default '[]'   -- [{at, took_ms, status, error}]
);
create index webhook_delivery_due on webhook_delivery (webhook, run_at) where state = 'queued';
create index webhook_delivery_contact on webhook_delivery (webhook, contact, id) where state in ('queued', 'running');
create index webhook_delivery_latest on webhook_delivery (webhook, id desc);
create index webhook_delivery_done on webhook_delivery (done_at) where state in ('done', 'failed');
