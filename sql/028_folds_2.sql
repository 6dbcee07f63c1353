-- A center that is new has no folds of an earlier release (FOLDS 2, lq/ledger/fold.py: who has the customer).
update fold_version set version = 2, making = 2 where not exists (select from event);
