-- Roles as sets of named permissions, teams as the scope of their leaders, and what logging in needs beyond a password.

create table role (
    id          text primary key,
    name        text        not null check (name <> ''),
    built_in    boolean     not null default false,
    scope       text        not null check (scope in ('own', 'team', 'all')),  -- whose calls its people see
    permissions text[]      not null default '{}', -- names of lcall_web/common/viewer.py; admin has them all
    changed_at  timestamptz not null default now()
);

insert into role (id, name, built_in, scope, permissions) values
    ('agent', '坐席', true, 'own', '{desk,customers,listen}'),
    ('leader', '班长', true, 'team', '{desk,customers,listen,reveal,team}'),
    ('manager', '经理', true, 'all', '{desk,customers,listen,reveal,team,export}'),
    ('inspector', '质检员', true, 'all', '{listen}'),
    ('admin', '管理员', true, 'all', '{}');

-- A leader's team (班组): the people in it, and the queues whose calls are its business whoever takes them.
create table team (
    id         bigint generated always as identity primary key,
    name       text        not null unique check (name <> ''),
    queues     text[]      not null default '{}',
    changed_at timestamptz not null default now()
);

alter table operator drop constraint operator_role_check;
alter table operator
    add foreign key (role) references role (id),
    add column team          bigint references team (id) on delete set null,
    add column must_change   boolean     not null default false, -- the password is one that somebody else knows
    add column totp_secret   text,                               -- base32 (RFC 6238); null: the password is enough
    add column totp_offered  text,                               -- not confirmed by a code yet
    add column totp_step     bigint      not null default 0,     -- the last step whose code was used: no code works twice
    add column created_at    timestamptz not null default now(),
    add column logged_in_at  timestamptz,
    add column version       bigint      not null default 1;     -- a form that shows an older one is told so
create index operator_role on operator (role);
create index operator_team on operator (team) where team is not null;

-- For one who has lost his second factor: each works once. 80 random bits each, so a plain hash keeps them.
create table recovery_code (
    operator text  not null references operator (id) on delete cascade,
    sha256   bytea not null,
    primary key (operator, sha256)
);

-- Between a right password and a session: the second factor, the new password. The token is in a cookie of its own.
create table login_step (
    token_sha256 bytea primary key,
    operator     text        not null references operator (id) on delete cascade,
    step         text        not null check (step in ('code', 'password')),
    expires_at   timestamptz not null default now() + interval '10 minutes'
);
create index login_step_expires on login_step (expires_at);
create index login_step_operator on login_step (operator);

alter table web_session
    add column id      bigint generated always as identity unique, -- by which its end is asked for
    add column browser text not null default '';

create index audit_operator on audit (operator, at desc);
create index audit_action on audit (action, at desc);
