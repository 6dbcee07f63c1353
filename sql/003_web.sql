-- Who may use the web, who is in, and what they did.

create table operator (
    id            text primary key,               -- operator number, 工号; an agent's is his agent id
    name          text        not null,
    role          text        not null check (role in ('agent', 'leader', 'admin')),
    password_hash text        not null,           -- argon2id, PHC string
    locale        text        not null default 'zh',
    disabled      boolean     not null default false,
    changed_at    timestamptz not null default now()
);

create table web_session (
    token_sha256 bytea primary key,               -- of the 256-bit token in the cookie, which is stored nowhere
    operator     text        not null references operator (id) on delete cascade,
    csrf         text        not null,
    created_at   timestamptz not null default now(),
    seen_at      timestamptz not null default now(),
    expires_at   timestamptz not null,
    address      text        not null default '',
    data         jsonb       not null default '{}'
);
create index web_session_operator on web_session (operator);
create index web_session_expires on web_session (expires_at);

create table audit (
    id        bigint generated always as identity primary key,
    at        timestamptz not null default now(),
    operator  text        not null default '',    -- empty: a program with the SDK token
    action    text        not null,               -- e.g. login, recording_played, number_revealed, config_put
    object    text        not null default '',    -- e.g. recording:<id>, queues:sales
    address   text        not null default '',
    detail    jsonb       not null default '{}'
);
create index audit_at on audit (at desc);
create index audit_object on audit (object, at desc);
