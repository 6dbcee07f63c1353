-- Fields that a center adds to its customers (自定义字段), and what stands in them.
--
-- Of a million customers that are here already none is rewritten: a column with a constant default is a line in the
-- catalogue, and so is a generated column that becomes a plain one, whose values stay and are right, for nobody has
-- such fields yet. The index holds those alone who have any; to build it the table is read once, a second or two for a
-- million, in which customers are not changed. From here on a trigger writes the grams: which fields are searched stands
-- in a table, and that a generated column may not ask.

create table customer_field (
    id         int         generated always as identity primary key,  -- what is stored of it stands under this, whatever its name
    key        uuid        not null unique,                           -- of the form that it was made with: a second click makes nothing
    kind       text        not null check (kind in ('text', 'lines', 'number', 'date', 'flag', 'choice')),  -- never changed
    whose      text        not null default 'both' check (whose in ('both', 'person', 'company')),          -- only widened
    name       text        not null,
    name_en    text        not null default '',
    required   boolean     not null default false,
    listed     boolean     not null default false,                    -- shown in the list of customers
    choices    jsonb       not null default '[]',                     -- [{"id", "name", "retired"}]: none of them ever goes
    place      int         not null default 0,
    version    int         not null default 1,
    retired_at timestamptz                                            -- not shown since; what is stored stays
);

-- Field → what stands in it, all as texts: a number 12.50, a date 2026-11-28, yes or no, the id of a choice.
alter table customer add column own jsonb not null default '{}';
create index customer_own on customer using gin (own jsonb_path_ops) with (fastupdate = off) where own <> '{}';

alter table customer alter column grams drop expression;

-- What of a customer is searched: with the fields of a line of text. Longer ones are not, as remarks are not.
create function lcall_customer_grams() returns trigger
language plpgsql
as $$
declare
    more text;
begin
    if new.own <> '{}' then
        select string_agg(e.value, E'\n') into more
        from jsonb_each_text(new.own) e join customer_field f on f.id::text = e.key and f.kind = 'text';
    end if;
    new.grams := lcall_grams(
        concat_ws(E'\n', lcall_customer_text(new.name, new.position, new.email, new.address, new.tags), more));
    return new;
end
$$;
create trigger customer_grams before insert or update of name, position, email, address, tags, own on customer
for each row execute function lcall_customer_grams();
