-- Calls to the outside: what for, and the entries of lists (lq/config/lists.py).
alter table cdr add column purpose text;             -- what somebody outside was called for; null: he called

-- Entries keep their row when they are removed (gone): Redis is told of every change in the order of `changed`.
create table list_entry (
    list       text collate "C" not null,             -- id of the document of kind `lists`
    number     text collate "C" not null,             -- E.164 or a short number; a prefix ends in *
    note       text             not null default '',
    expires_at timestamptz,                           -- null: never
    gone       boolean          not null default false,
    changed    bigint           not null,
    changed_at timestamptz      not null default now(),
    changed_by text             not null default '',
    primary key (list, number)
);
create unique index list_entry_changed on list_entry (changed);

create table list_version (
    one     boolean primary key default true check (one),
    version bigint  not null default 0                -- of the last change
);

insert into list_version default values;
