-- Configuration: the documents of lq/config/documents.py, whole. Only lq.config.publish writes here (api, seed); every
-- change raises config_version in the same transaction, and Redis is told afterwards (published = version known there).

create table config_document (
    kind       text        not null,
    id         text        not null,
    version    bigint      not null,              -- config_version of its last change
    body       jsonb       not null,
    changed_at timestamptz not null default now(),
    changed_by text        not null default '',
    primary key (kind, id)
);

create table config_version (
    one     boolean primary key default true check (one),
    version bigint  not null default 0
);

insert into config_version default values;
