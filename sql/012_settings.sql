-- The center's own logo, shown on every page. Its name is in the configuration (settings/center).

create table center_logo (
    one        boolean primary key default true check (one),
    type       text        not null check (type in ('image/png', 'image/jpeg', 'image/webp')),
    body       bytea       not null check (length(body) <= 300000),
    version    text        not null,              -- of the content: in the address, so that browsers may keep it
    changed_by text        not null default '',
    changed_at timestamptz not null default now()
);
