-- Files of customers: which columns nobody here knows, and in which order their rows are taken.
alter table customer_import add column unread text[] not null default '{}';
alter table customer_import_row add column place int;  -- companies before the people who work there; null: as the lines stand
create index customer_import_place on customer_import_row (import, (coalesce(place, n)));
