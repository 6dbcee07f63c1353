-- Who may put a caller on a black list from his card; the administrator may do everything.
update role set permissions = permissions || '{blacklist}' where id in ('leader', 'manager');
