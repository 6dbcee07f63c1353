-- Attempts to log in to the web, under the account and under the address that they name; those of a day are kept.
create table login_attempt (
    subject text        not null,                 -- account:<id> | address:<ip>
    at      timestamptz not null default now()
);
create index login_attempt_subject on login_attempt (subject, at);
create index login_attempt_at on login_attempt (at);
