-- Of which release the folds of the past are (lq/ledger/fold.py, FOLDS): the worker makes those of an earlier one anew, from
-- the events, beside the running journal (lq/ledger/refold.py). What stands here already may be of any release.
create table fold_version (
    one     boolean          primary key default true check (one),
    version int              not null,            -- all of them are at least of this one
    making  int              not null,            -- of which they are being made, or were made last
    done_to text collate "C" not null default ''  -- agent:<id>, then contact:<subject>: how far they have come
);
insert into fold_version (version, making) select n, n from (select case when exists (select from event) then 0 else 1 end) as v (n);
