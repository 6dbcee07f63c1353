-- name: contact
-- Whose recording it is, and whether this agent talked in that call.
select r.contact_id, r.state, r.reason,
       c.agent = $2 or exists (
           select from segment s where s.contact_id = r.contact_id and s.agent = $2 and s.kind in ('talk', 'conference')) as his
from recording r left join contact c on c.id = r.contact_id
where r.id = $1

-- name: played
-- Noted once in five minutes, for a player asks for a recording in many parts.
insert into audit (operator, action, object, address)
select $1, 'recording_played', $2, $3
where not exists (
    select from audit
    where object = $2 and operator = $1 and action = 'recording_played' and at > now() - interval '5 minutes')
