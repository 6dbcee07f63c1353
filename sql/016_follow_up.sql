-- Follow-ups and appointments: what is to be done about a customer, when and by whom.

create table follow_up (
    id         bigint generated always as identity primary key,
    key        uuid        not null unique,           -- of the form that it was written in: a second click writes nothing
    customer   bigint      not null references customer (id),
    contact    text collate "C",                      -- the call that it came from
    kind       text        not null check (kind in ('call_back', 'follow_up', 'appointment')),
    body       text        not null,
    owner      text        not null references operator (id), -- who shall do it
    due_at     timestamptz not null,
    remind_at  timestamptz not null,                  -- when he is told: when it is due, or a while later, as he wished
    version    int         not null default 1,
    created_at timestamptz not null default now(),
    created_by text        not null,
    changed_at timestamptz not null default now(),
    changed_by text        not null,
    done_at    timestamptz,
    done_by    text,
    check (remind_at >= due_at),
    check ((done_at is null) = (done_by is null))
);
-- somebody's that are to be done, a team's, everybody's; what was done lately; a customer's, a call's
create index follow_up_owner on follow_up (owner, due_at) where done_at is null;
create index follow_up_due on follow_up (due_at, id) where done_at is null;
create index follow_up_done on follow_up (done_at desc, id desc) where done_at is not null;
create index follow_up_customer on follow_up (customer, due_at);
create index follow_up_contact on follow_up (contact) where contact is not null;
