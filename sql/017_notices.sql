-- The home page: notices (公告) to people of the center, who has read them, and each person's own sticky notes (便签).

create table notice (
    id         bigint generated always as identity primary key,
    key        uuid        not null unique,           -- of the form that it was written with: a second click writes nothing
    title      text        not null check (title <> ''),
    body       text        not null default '',
    audience   text        not null check (audience in ('all', 'queues', 'team')),
    queues     text[]      not null default '{}',     -- to the agents of these
    team       bigint      references team (id) on delete set null, -- to its people
    pinned     boolean     not null default false,
    confirm    boolean     not null default false,    -- stands at the top of each page until he has read it
    from_at    timestamptz not null default now(),
    until_at   timestamptz,                           -- null: until somebody ends it
    edition    int         not null default 1,        -- raised when those who have read it shall read it again
    version    int         not null default 1,
    written_by text        not null,
    written_at timestamptz not null default now(),
    changed_by text        not null,
    changed_at timestamptz not null default now()
);
create index notice_until on notice (until_at);
create index notice_from on notice (from_at);

create table notice_read (
    notice   bigint      not null references notice (id) on delete cascade,
    operator text        not null references operator (id) on delete cascade,
    edition  int         not null,                    -- the latest that he has read
    at       timestamptz not null default now(),
    primary key (notice, operator)
);
create index notice_read_operator on notice_read (operator);

-- Raised with everything that is written, or read: each process of the web looks here alone whether there is something new.
create table notice_news (
    one     boolean primary key default true check (one),
    version bigint  not null default 0
);
insert into notice_news default values;

-- Who reads notices: his team, and the queues that he serves as an agent.
create view notice_reader as
select o.id, o.name, o.team,
       array(select jsonb_array_elements_text(a.body->'queues') from config_document a
             where a.kind = 'agents' and a.id = o.id) as queues
from operator o
where not o.disabled;

-- Whom a notice concerns: the one rule, for what somebody is shown, told, and asked to confirm.
create function lcall_concerns(audience text, notice_queues text[], notice_team bigint, team bigint, queues text[])
returns boolean
language sql immutable parallel safe
as $$
    select case $1 when 'all' then true when 'team' then coalesce($3 = $4, false) else $2 && $5 end
$$;

create table sticky_note (
    id         bigint generated always as identity primary key,
    key        uuid        not null unique,           -- as of a notice
    operator   text        not null references operator (id) on delete cascade,
    body       text        not null,
    colour     text        not null check (colour in ('yellow', 'green', 'blue', 'pink', 'grey')),
    version    int         not null default 1,
    changed_at timestamptz not null default now(),
    deleted_at timestamptz                            -- undone for thirty days
);
create index sticky_note_operator on sticky_note (operator, changed_at desc, id desc) where deleted_at is null;
create index sticky_note_deleted on sticky_note (operator, deleted_at) where deleted_at is not null;

-- Who may write notices, to whom their scope reaches; the administrator may do everything.
update role set permissions = permissions || '{notices}' where id in ('leader', 'manager');
