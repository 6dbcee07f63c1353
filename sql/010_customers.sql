-- Customers: people and companies, their numbers, what was noted, and which of them a call was about.

-- What a search compares: one form for full and half width, capitals and small letters, without spaces and punctuation.
-- Lines stay apart.
create function lcall_folded(text) returns text
language sql immutable strict parallel safe
as $$ select regexp_replace(lower(normalize($1, NFKC)), '[ \t\r[:punct:]。、·•…—～“”‘’《》〈〉【】〔〕「」『』]+', '', 'g') $$;

-- Every character and every two neighbours: Chinese of any length is found by them through an index.
create function lcall_grams(text) returns text[]
language plpgsql immutable strict parallel safe
as $$
declare
    letters text[] := string_to_array(lcall_folded($1), null);
    found   text[] := '{}';
begin
    for i in 1..coalesce(array_length(letters, 1), 0) loop
        continue when letters[i] = E'\n';
        found := found || letters[i];
        if letters[i + 1] <> E'\n' then
            found := found || (letters[i] || letters[i + 1]);
        end if;
    end loop;
    return found;
end
$$;

-- Those of them that narrow a search for all of these words: of a word of two characters or more only the pairs.
create function lcall_wanted_grams(text[]) returns text[]
language sql immutable strict parallel safe
as $$
    select coalesce(array_agg(distinct gram), '{}')
    from unnest($1) as word, unnest(lcall_grams(word)) as gram
    where char_length(gram) = least(char_length(lcall_folded(word)), 2)
$$;

-- Whether each of the words stands somewhere in the text. A word of nothing but punctuation stands nowhere.
create function lcall_holds(text, text[]) returns boolean
language sql immutable strict parallel safe
as $$
    select coalesce(bool_and(lcall_folded(word) <> '' and position(lcall_folded(word) in lcall_folded($1)) > 0), true)
    from unnest($2) as word
$$;

-- What of a customer is searched, a line each.
create function lcall_customer_text(name text, "position" text, email text, address text, tags text[]) returns text
language sql immutable parallel safe
as $$ select concat_ws(E'\n', name, "position", email, address, array_to_string(tags, E'\n')) $$;

create table customer (
    id          bigint generated always as identity primary key,
    key         uuid        not null unique,          -- of the form that it was entered with: a second click enters nothing
    kind        text        not null check (kind in ('person', 'company')),
    name        text        not null,
    company     bigint      references customer (id), -- where a person works
    position    text        not null default '',      -- what he is there
    level       text        not null default 'normal' check (level in ('normal', 'important', 'vip')),
    tags        text[]      not null default '{}',
    email       text        not null default '',
    address     text        not null default '',
    remark      text        not null default '',
    owner       text        references operator (id) on delete set null,  -- who takes care of him
    version     int         not null default 1,
    created_at  timestamptz not null default now(),
    created_by  text        not null default '',
    changed_at  timestamptz not null default now(),
    changed_by  text        not null default '',
    deleted_at  timestamptz,                          -- in the recycle bin since
    deleted_by  text,
    merged_into bigint      references customer (id), -- he was the same as this one, who has taken over what was his
    grams       text[]      generated always as (lcall_grams(lcall_customer_text(name, position, email, address, tags))) stored
);
-- each list that there is, latest change first
create index customer_changed on customer (changed_at desc, id desc) where deleted_at is null;
create index customer_name on customer (name) where deleted_at is null;
create index customer_kind on customer (kind, changed_at desc, id desc) where deleted_at is null;
create index customer_level on customer (level, changed_at desc, id desc) where deleted_at is null and level <> 'normal';
create index customer_owner on customer (owner, changed_at desc, id desc) where deleted_at is null;
create index customer_company on customer (company) where company is not null;
create index customer_deleted on customer (deleted_at desc, id desc) where deleted_at is not null;
create index customer_merged on customer (merged_into) where merged_into is not null;
create index customer_tags on customer using gin (tags) with (fastupdate = off);
create index customer_grams on customer using gin (grams) with (fastupdate = off);

create table customer_phone (
    id       bigint generated always as identity primary key,
    customer bigint not null references customer (id),
    number   text   not null,                         -- E.164, or a short number as it is
    label    text   not null default 'mobile' check (label in ('mobile', 'work', 'home', 'other')),
    place    int    not null default 0,               -- its place among his numbers
    unique (customer, number)
);
create index customer_phone_number on customer_phone (number);
create index customer_phone_last on customer_phone (right(number, 4));
create index customer_phone_part on customer_phone using gin (number gin_trgm_ops) with (fastupdate = off);

-- Which customer a contact is about: chosen where a number is several people's, and known to whoever gets it next.
create table contact_customer (
    contact   text collate "C" primary key,
    customer  bigint      not null references customer (id),
    chosen_by text        not null,
    chosen_at timestamptz not null default now()
);
create index contact_customer_customer on contact_customer (customer);

create table customer_note (
    id       bigint generated always as identity primary key,
    key      uuid        not null unique,             -- as of a customer
    customer bigint      references customer (id),    -- null: written in a call of somebody who is not known yet
    contact  text collate "C",                        -- the call that it was written in
    body     text        not null,
    author   text        not null,
    at       timestamptz not null default now()
);
create index customer_note_customer on customer_note (customer, at desc) where customer is not null;
create index customer_note_contact on customer_note (contact) where contact is not null;

-- calls with a number, latest first
create index cdr_number on cdr (number, started_at desc, contact_id desc);

-- A file of customers on its way in: looked at first, then taken in pieces; `done` moves with each piece.
create table customer_import (
    id         uuid        primary key,
    operator   text        not null,
    file       text        not null,
    state      text        not null default 'shown' check (state in ('shown', 'running', 'done')),
    total      int         not null,
    bad        int         not null,                  -- rows with an error, which are not taken
    done       int         not null default 0,        -- rows behind us
    taken      int         not null default 0,        -- customers made of them
    known      int         not null default 0,        -- rows passed over, for that customer was here with that number
    created_at timestamptz not null default now(),
    changed_at timestamptz not null default now()
);
create table customer_import_row (
    import uuid  not null references customer_import (id) on delete cascade,
    n      int   not null,                            -- line of the sheet
    body   jsonb not null,                            -- as it was written
    errors jsonb not null default '{}',               -- column -> message
    primary key (import, n)
);
create index customer_import_bad on customer_import_row (import, n) where errors <> '{}';
