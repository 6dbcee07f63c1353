#!lua name=lcall
-- The live state's only writer (docs/contracts.md §2). Each call is one atomic step: due deadlines, the change, and at
-- once the match of whoever became ready or began to wait. Invariant after every call: no waiting contact shares a lane
-- with a ready agent. So whoever is new is the only one who can be paired, and heads of lines are all that is looked at.
--
-- A script that fails midway is not rolled back: every function checks first and writes last.
-- An agent's states, operations and outcomes are rendered in from lq/acd/agent.py; a field that is absent reads ''.

local VERSION = @VERSION@
local TABLE = @TABLE@
local OUTCOMES = @OUTCOMES@

local DUE_AT_ONCE = 32          -- deadlines a call; each pairs at most once
local ADOPT_AT_ONCE = 200       -- snapshots an answer (8 kB each)
local CLAIM_MS = 64000          -- 64*T1: an INVITE is not repeated longer (RFC 3261 §17.1.1.2)
local OVER_MS = 600000          -- a contact that is over stays known, so that a late writer cannot raise it from the dead
local LEASE_KEPT_MS = 60000     -- a lapsed lease is remembered so long, for adopters and for the list of nodes
local ADOPTED_MS = 86400000     -- of the last adoption
local INBOX_LENGTH = 10000
local IDLE_EPOCH = 1577836800000 -- 2020: keeps scores of agents below 2^53
local KEY_STEP = 1e12           -- > milliseconds from IDLE_EPOCH to 2050

local K                         -- prefix of all keys, from the one declared key
local now                       -- ms; the same within a call, never running backwards
local asker                     -- contact whose ask runs: needs no notice
local touched                   -- lanes whose counts changed

local function text(n) return string.format('%.0f', n) end
local function given(v) return v ~= nil and v ~= cjson.null and v ~= '' end
local function object(v) if given(v) then return cjson.decode(v) end return {} end

local function hash(key)
  local flat, h = redis.call('HGETALL', key), {}
  for i = 1, #flat, 2 do h[flat[i]] = flat[i + 1] end
  return setmetatable(h, { __index = function() return '' end })
end

local function counter(name)    -- max(previous + 1, now): rises for ever, also after the loss of the counter
  local n = math.max(tonumber(redis.call('HGET', K .. 'counters', name) or '0') + 1, now)
  redis.call('HSET', K .. 'counters', name, text(n))
  return n
end

local function deadline(name, at) redis.call('ZADD', K .. 'deadlines', text(at), name) end
local function no_deadline(name) return redis.call('ZREM', K .. 'deadlines', name) == 1 end

local function append(type, subject, data)
  local seq = math.max(tonumber(redis.call('HGET', K .. 'seq', subject) or '0') + 1, now)
  redis.call('HSET', K .. 'seq', subject, text(seq))
  redis.call('XADD', K .. 'events', '*', 'v', '1', 'type', type, 'at', text(now), 'subject', subject, 'seq', text(seq),
    'data', cjson.encode(data))
end

local function notice(contact)
  local owner = redis.call('HGET', K .. 'contact:' .. contact, 'owner')
  if owner and contact ~= asker then
    redis.call('XADD', K .. 'inbox:' .. owner, 'MAXLEN', '~', INBOX_LENGTH, '*', 'm',
      cjson.encode({ type = 'reserved', contact = contact }))
  end
end

-- lanes ---------------------------------------------------------------------------------------------------------------

local function lane_key(lane, part) return K .. 'lane:' .. lane .. ':' .. part end
local function touch(lane) touched[lane] = true end
local function queue_of(lane)
  if string.sub(lane, 1, 6) == 'agent:' then return nil end
  return string.match(lane, '^[^/+>]+')
end

local function announce_queues()
  for lane in pairs(touched) do
    local waiting, ready = redis.call('ZCARD', lane_key(lane, 'contacts')), redis.call('ZCARD', lane_key(lane, 'agents'))
    local counts = waiting .. ' ' .. ready
    if queue_of(lane) == lane and redis.call('HGET', K .. 'counts', lane) ~= counts then
      redis.call('HSET', K .. 'counts', lane, counts)
      append('queue_changed', 'queue:' .. lane, { queue = lane, waiting = waiting, ready = ready })
    end
  end
end

local function head(lane, part)
  local h = redis.call('ZRANGE', lane_key(lane, part), 0, 0, 'WITHSCORES')
  return h[1], tonumber(h[2])
end

local function best_head(lanes, part)   -- smallest score; equal ones by name, so that replicas and models agree
  local best, best_score, best_lane
  for lane in pairs(lanes) do
    local one, score = head(lane, part)
    if one and (not best or score < best_score
        or (score == best_score and (one < best or (one == best and lane < best_lane)))) then
      best, best_score, best_lane = one, score, lane
    end
  end
  return best, best_lane
end

-- agents --------------------------------------------------------------------------------------------------------------

local function agent_of(id)
  local a = hash(K .. 'agent:' .. id)
  a.id = id
  if a.state == '' then a.state = 'signed_out' end
  return a
end

local function note(a, fields)
  local flat = {}
  for name, value in pairs(fields) do
    a[name] = value
    flat[#flat + 1] = name
    flat[#flat + 1] = value
  end
  redis.call('HSET', K .. 'agent:' .. a.id, unpack(flat))
end

local function number_or_null(v) if v == '' then return cjson.null end return tonumber(v) end
local function text_or_null(v) if v == '' then return cjson.null end return v end

local function view(a)
  return {
    id = a.id, name = a.name, state = a.state, since = tonumber(a.since) or 0, reason = text_or_null(a.reason),
    next = text_or_null(a.next), phone = text_or_null(a.phone), contact = text_or_null(a.contact),
    reservation = number_or_null(a.fence), code = text_or_null(a.code),
  }
end

local function announce_agent(a, previous)
  local data = { agent = a.id, state = a.state, previous = previous, since = tonumber(a.since) }
  for _, name in ipairs({ 'reason', 'next', 'phone', 'contact', 'code' }) do
    if a[name] ~= '' then data[name] = a[name] end
  end
  local queues = {}
  for lane in pairs(object(a.lanes)) do
    if queue_of(lane) == lane then queues[#queues + 1] = lane end
  end
  if #queues > 0 then
    table.sort(queues)
    data.queues = queues
  end
  append('agent_state_changed', 'agent:' .. a.id, data)
end

local function score_of(a, key) return text(key * KEY_STEP + tonumber(a.line) - IDLE_EPOCH) end

local function stand_in_line(a)
  for lane, key in pairs(object(a.lanes)) do
    redis.call('ZADD', lane_key(lane, 'agents'), score_of(a, key), a.id)
    touch(lane)
  end
end

local function leave_line(a)
  for lane in pairs(object(a.lanes)) do
    redis.call('ZREM', lane_key(lane, 'agents'), a.id)
    touch(lane)
  end
end

local function enter(a, state, fields)  -- the only place that changes a state
  local previous = a.state
  if previous == 'ready' then leave_line(a) end
  if previous == 'wrap_up' then no_deadline('wrap_up:' .. a.id) end
  if previous == 'busy_other' or previous == 'phone_offline' then no_deadline('back:' .. a.id) end
  if previous == 'talking' and a.lane ~= '' then redis.call('SREM', lane_key(a.lane, 'talking'), a.id) end
  if state == 'talking' and a.lane ~= '' then redis.call('SADD', lane_key(a.lane, 'talking'), a.id) end
  local change = { state = state, since = text(now), reason = '' }
  for name, value in pairs(fields or {}) do change[name] = value end
  note(a, change)
  announce_agent(a, previous)
end

local function registered(ext)
  return (tonumber(redis.call('HGET', K .. 'phone:' .. ext, 'registered_until') or '0') or 0) > now
end

local function sign_out(a)
  for lane in pairs(object(a.lanes)) do
    redis.call('SREM', lane_key(lane, 'signed_in'), a.id)
    touch(lane)
  end
  redis.call('SREM', K .. 'agents', a.id)
  redis.call('HDEL', K .. 'phone:' .. a.phone, 'agent')
  enter(a, 'signed_out', { next = '', next_reason = '', line = '', no_answer = '' })
  note(a, { lanes = '', phone = '', code = '' })
end

-- match ---------------------------------------------------------------------------------------------------------------

local function leave_queue(contact)
  for lane in pairs(object(redis.call('HGET', K .. 'contact:' .. contact, 'lanes') or '')) do
    redis.call('ZREM', lane_key(lane, 'contacts'), contact)
    redis.call('ZREM', lane_key(lane, 'since'), contact)
    touch(lane)
  end
  redis.call('HDEL', K .. 'contact:' .. contact, 'lanes')
end

local function pair(a, contact, lane)
  local fence, key = counter('fence'), K .. 'contact:' .. contact
  local lease = tonumber(redis.call('HGET', key, 'lease_ms') or '20000')
  leave_queue(contact)
  enter(a, 'reserved', { contact = contact, fence = text(fence), lane = lane })
  redis.call('HSET', key, 'agent', a.id, 'fence', text(fence), 'lane', lane, 'with:' .. a.id, text(fence))
  deadline('reservation:' .. a.id .. ':' .. text(fence), now + lease)
  notice(contact)
end

local function become_ready(a, keeps_place)
  if a.next == 'signed_out' then return sign_out(a) end
  if a.next == 'paused' then
    return enter(a, 'paused', { reason = a.next_reason, next = '', next_reason = '', line = '' })
  end
  if not registered(a.phone) then return enter(a, 'phone_offline', { line = '' }) end
  local line = a.line
  if not keeps_place or line == '' then line = text(counter('line')) end
  enter(a, 'ready', { line = line })
  local contact, lane = best_head(object(a.lanes), 'contacts')
  if contact then pair(a, contact, lane) else stand_in_line(a) end
end

local function unbind(a)        -- a's contact loses him; the deadline of his reservation goes
  local key = K .. 'contact:' .. a.contact
  no_deadline('reservation:' .. a.id .. ':' .. a.fence)
  redis.call('HDEL', key, 'with:' .. a.id)
  if redis.call('HGET', key, 'agent') == a.id then redis.call('HDEL', key, 'agent', 'fence', 'lane') end
end

local function max_no_answer(lane)
  local queue = queue_of(lane)
  local document = queue and redis.call('HGET', K .. 'config:queues', queue)
  return document and cjson.decode(document).max_no_answer or 3
end

local function set_lanes(a, lanes)
  for lane in pairs(object(a.lanes)) do redis.call('SREM', lane_key(lane, 'signed_in'), a.id) end
  for lane in pairs(lanes) do redis.call('SADD', lane_key(lane, 'signed_in'), a.id) end
  note(a, { lanes = cjson.encode(lanes) })
end

local function release(a, outcome, wrap_up_ms)
  local rule, lane = OUTCOMES[outcome], a.lane
  unbind(a)
  -- `contact` stays in the hash while the state changes from talking, so the event says whose wrap-up this is
  local wrap_up = outcome == 'answered' and (wrap_up_ms or 0) > 0
  local freed = { fence = '', contact = wrap_up and a.contact or '' }
  local count = (tonumber(a.no_answer) or 0) + (rule.counts_no_answer and 1 or 0)
  if outcome == 'answered' then count = 0 end
  note(a, { no_answer = text(count) })
  if wrap_up then
    enter(a, 'wrap_up', freed)
    deadline('wrap_up:' .. a.id, now + wrap_up_ms)
  elseif rule.state == 'busy_other' or rule.state == 'phone_offline' then
    if a.next ~= '' then
      note(a, freed)
      become_ready(a)           -- the door honours what he asked for
    else
      enter(a, rule.state, { fence = '', contact = '', line = '' })
      if rule.state == 'busy_other' or registered(a.phone) then deadline('back:' .. a.id, now + rule.back_ms) end
    end
  elseif rule.counts_no_answer and a.next == '' and count >= max_no_answer(lane) then
    enter(a, 'paused', { fence = '', contact = '', reason = 'no_answer', line = '', no_answer = '' })
  else
    note(a, freed)
    become_ready(a, rule.keeps_place)
  end
end

-- deadlines -----------------------------------------------------------------------------------------------------------

local function phone_gone(ext)
  local h = hash(K .. 'phone:' .. ext)
  if h.registered == '1' then
    redis.call('HSET', K .. 'phone:' .. ext, 'registered', '0')
    local data = { phone = ext, registered = false }
    if h.agent ~= '' then data.agent = h.agent end
    append('phone_changed', 'phone:' .. ext, data)
  end
  if h.agent ~= '' then
    local a = agent_of(h.agent)
    if TABLE[a.state].phone_down == 'phone_offline' then enter(a, 'phone_offline', { line = '' }) end
  end
end

local DUE = {
  reservation = function(rest)
    local id, fence = string.match(rest, '^(.*):(%d+)$')
    local a = agent_of(id)
    if a.fence == fence and TABLE[a.state].expire then release(a, 'expired') end
  end,
  wrap_up = function(id)
    local a = agent_of(id)
    if TABLE[a.state].wrap_up_end then
      note(a, { contact = '', code = '' })
      become_ready(a)
    end
  end,
  back = function(id)
    local a = agent_of(id)
    if TABLE[a.state].back and (a.state ~= 'phone_offline' or registered(a.phone)) then become_ready(a) end
  end,
  phone = phone_gone,
}

local function run_due()
  local due = redis.call('ZRANGEBYSCORE', K .. 'deadlines', '-inf', text(now), 'LIMIT', 0, DUE_AT_ONCE)
  for _, name in ipairs(due) do
    if no_deadline(name) then   -- else an earlier one of this run has taken it back
      local kind, rest = string.match(name, '^([^:]+):(.*)$')
      DUE[kind](rest)
    end
  end
  return #due
end

-- functions -----------------------------------------------------------------------------------------------------------

local function fail(error, more)
  local answer = more or {}
  answer.ok, answer.error = false, error
  return answer
end

local function agent_step(contact, op)  -- one entry of commit's `agents`
  local a = agent_of(op.agent)
  local to = TABLE[a.state][op.op]
  if a.contact ~= contact or a.fence ~= text(op.fence) or not to then
    return { agent = op.agent, ok = false, state = a.state }
  end
  if given(op.lanes) then set_lanes(a, op.lanes) end
  if op.op == 'release' then
    release(a, op.outcome, tonumber(op.wrap_up_ms))
  else
    if to ~= 'stay' then enter(a, to) end
    local name = 'reservation:' .. a.id .. ':' .. a.fence
    if given(op.ttl_ms) then
      deadline(name, now + op.ttl_ms)
    elseif a.state == 'talking' then
      no_deadline(name)
    end
    local key = K .. 'contact:' .. contact
    -- answered: the contact may ask for another (a consultation); a reservation that it holds meanwhile is not this one
    if op.op == 'talking' and redis.call('HGET', key, 'agent') == a.id then redis.call('HDEL', key, 'fence') end
  end
  return { agent = op.agent, ok = true, state = a.state }
end

local function finish(contact, owner, epoch)
  leave_queue(contact)
  local bound = {}
  for name in pairs(hash(K .. 'contact:' .. contact)) do
    bound[#bound + 1] = string.match(name, '^with:(.*)$')
  end
  table.sort(bound)             -- who goes back into line first must not depend on the order of a hash
  for _, id in ipairs(bound) do release(agent_of(id), 'caller_gone') end
  redis.call('SET', K .. 'over:' .. contact, owner .. ' ' .. text(epoch), 'PX', OVER_MS)
  redis.call('SREM', K .. 'owned:' .. owner, contact)
  redis.call('SREM', K .. 'contacts', contact)
  redis.call('DEL', K .. 'contact:' .. contact)
end

local function commit(q)
  local key = K .. 'contact:' .. q.contact
  local held = redis.call('HMGET', key, 'owner', 'epoch')
  local mine = q.node .. ' ' .. text(q.epoch)
  if held[1] then
    if held[1] .. ' ' .. held[2] ~= mine then
      return fail('superseded', { owner = held[1], epoch = tonumber(held[2]) })
    end
  else
    local over = redis.call('GET', K .. 'over:' .. q.contact)
    if over == mine and not given(q.snapshot) then return { ok = true, agents = {} } end   -- its last commit, repeated
    if over then
      local owner, epoch = string.match(over, '^(.*) (%d+)$')
      return fail('superseded', { owner = owner, epoch = tonumber(epoch) })
    end
  end
  for _, op in ipairs(q.agents or {}) do
    if op.op == 'release' and not OUTCOMES[op.outcome] then
      return fail('bad_request', { message = 'unknown outcome ' .. tostring(op.outcome) })
    end
  end
  if given(q.claim) and not redis.call('SET', K .. 'claim:' .. q.claim, q.contact, 'NX', 'PX', CLAIM_MS) then
    local holder = redis.call('GET', K .. 'claim:' .. q.claim)
    if holder ~= q.contact then return fail('claimed', { contact = holder }) end
  end
  for _, e in ipairs(q.events or {}) do
    redis.call('XADD', K .. 'events', '*', 'v', e.v, 'type', e.type, 'at', e.at, 'subject', e.subject, 'seq', e.seq,
      'data', e.data)
  end
  redis.call('HSET', key, 'owner', q.node, 'epoch', text(q.epoch))
  redis.call('SADD', K .. 'contacts', q.contact)
  redis.call('SADD', K .. 'owned:' .. q.node, q.contact)
  if given(q.snapshot) then redis.call('HSET', key, 'doc', q.snapshot) end
  local steps = {}
  for i, op in ipairs(q.agents or {}) do steps[i] = agent_step(q.contact, op) end
  if q.dequeue == true then
    leave_queue(q.contact)
    redis.call('HDEL', key, 'since')
  end
  if not given(q.snapshot) then finish(q.contact, q.node, q.epoch) end
  return { ok = true, agents = steps }
end

local function reservation(a, contact)
  local c = redis.call('HMGET', K .. 'contact:' .. contact, 'fence', 'lane')
  return { ok = true, reserved = { agent = a.id, phone = a.phone, reservation = tonumber(c[1]), lane = c[2] } }
end

local function waiting(contact, lanes)
  local position, signed_in, ready = 0, 0, 0
  for lane in pairs(lanes) do
    local rank = redis.call('ZRANK', lane_key(lane, 'contacts'), contact) + 1
    if position == 0 or rank < position then position = rank end
    signed_in = math.max(signed_in, redis.call('SCARD', lane_key(lane, 'signed_in')))
    ready = math.max(ready, redis.call('ZCARD', lane_key(lane, 'agents')))
  end
  return { ok = true, waiting = { position = position, signed_in = signed_in, ready = ready } }
end

local function ask(q)
  local key = K .. 'contact:' .. q.contact
  local c = hash(key)
  if c.owner == '' then return fail('gone') end
  if c.fence ~= '' then
    local a = agent_of(c.agent)
    -- the asker will call him now: his reservation lasts from here, also when the first answer was lost
    if a.state == 'reserved' then deadline('reservation:' .. a.id .. ':' .. c.fence, now + q.lease_ms) end
    return reservation(a, q.contact)
  end
  local since = c.since ~= '' and c.since or text(now)
  leave_queue(q.contact)
  redis.call('HSET', key, 'since', since, 'lease_ms', text(q.lease_ms))
  local agent, lane = best_head(q.lanes, 'agents')
  if agent then
    asker = q.contact
    local a = agent_of(agent)
    pair(a, q.contact, lane)
    return reservation(a, q.contact)
  end
  for name, score in pairs(q.lanes) do
    redis.call('ZADD', lane_key(name, 'contacts'), text(score), q.contact)
    redis.call('ZADD', lane_key(name, 'since'), since, q.contact)
    touch(name)
  end
  redis.call('HSET', key, 'lanes', cjson.encode(q.lanes))
  return waiting(q.contact, q.lanes)
end

-- what an agent asks for himself

local function conflict(a, message) return fail('conflict', { agent = view(a), message = message }) end

local function refresh_lanes(a, lanes)
  if not given(lanes) then return end
  if a.state ~= 'ready' then return set_lanes(a, lanes) end
  leave_line(a)
  set_lanes(a, lanes)
  local contact, lane = best_head(lanes, 'contacts')
  if contact then pair(a, contact, lane) else stand_in_line(a) end
end

local function sign_in(a, q)
  if not given(q.phone) then return fail('bad_request', { message = 'sign_in needs a phone' }) end
  if a.state ~= 'signed_out' then
    if a.phone ~= q.phone then return conflict(a, 'already signed in at phone ' .. a.phone) end
    refresh_lanes(a, q.lanes)
    return nil
  end
  local other = redis.call('HGET', K .. 'phone:' .. q.phone, 'agent')
  if other then return conflict(a, 'phone ' .. q.phone .. ' is used by agent ' .. other) end
  redis.call('SADD', K .. 'agents', a.id)
  redis.call('HSET', K .. 'phone:' .. q.phone, 'agent', a.id)
  set_lanes(a, given(q.lanes) and q.lanes or {})
  for lane in pairs(object(a.lanes)) do touch(lane) end
  note(a, { phone = q.phone, no_answer = '' })
  become_ready(a)
  return nil
end

local function ask_for_next(a, state, reason)
  if a.next == state and a.next_reason == reason then return end
  note(a, { next = state, next_reason = reason })
  announce_agent(a, a.state)
end

local function note_code(a, code)
  if not given(code) or a.code == code then return end
  note(a, { code = code })
  announce_agent(a, a.state)
end

local function go(a, q, to)
  local reason = given(q.reason) and q.reason or ''
  local later = string.match(to, '^then:(.*)$')
  if q.op == 'wrap_up' then note_code(a, q.code) end
  if later then return ask_for_next(a, later, later == 'paused' and reason or '') end
  if to == 'stay' then return refresh_lanes(a, q.lanes) end
  if to == a.state and a.reason == reason then return end
  if a.state == 'wrap_up' then note(a, { contact = '', code = '' }) end
  if to == 'signed_out' then return sign_out(a) end
  -- ending his wrap-up is not taking back what he asked for during the call; saying "ready" or "pause" is
  if q.op ~= 'wrap_up' then note(a, { next = '', next_reason = '' }) end
  if to == 'paused' then return enter(a, 'paused', { reason = reason, line = '', no_answer = '' }) end
  if given(q.lanes) then set_lanes(a, q.lanes) end
  note(a, { no_answer = '' })
  become_ready(a)
end

local function agent(q)
  local a = agent_of(q.agent)
  local op = (q.op == 'wrap_up' and q.done == true) and 'wrap_up_done' or q.op
  local to = TABLE[a.state][op]
  if not to then return conflict(a, 'agent ' .. a.id .. ' is ' .. a.state .. ': ' .. op .. ' is not possible') end
  if given(q.name) then note(a, { name = q.name }) end
  if op == 'sign_in' then
    local refused = sign_in(a, q)
    if refused then return refused end
  else
    go(a, q, to)
  end
  return { ok = true, agent = view(a) }
end

-- what the edge and the nodes publish

local function phone(q)
  local key = K .. 'phone:' .. q.phone
  if q.registered ~= true then
    redis.call('HSET', key, 'registered_until', '0')
    no_deadline('phone:' .. q.phone)
    phone_gone(q.phone)
    return { ok = true }
  end
  local h = hash(key)
  redis.call('HSET', key, 'registered', '1', 'registered_until', text(now + q.expires_ms))
  deadline('phone:' .. q.phone, now + q.expires_ms)
  if h.registered ~= '1' then
    local data = { phone = q.phone, registered = true }
    if h.agent ~= '' then data.agent = h.agent end
    append('phone_changed', 'phone:' .. q.phone, data)
  end
  if h.agent ~= '' then
    local a = agent_of(h.agent)
    if TABLE[a.state].phone_up == 'ready' then become_ready(a) end
  end
  return { ok = true }
end

local function trunk(q)
  local key, up = K .. 'trunk:' .. q.trunk, q.up == true and '1' or '0'
  local reason = given(q.reason) and q.reason or ''
  if redis.call('HGET', key, 'up') ~= up then
    redis.call('HSET', key, 'up', up, 'since', text(now), 'reason', reason)
    local data = { trunk = q.trunk, up = q.up == true }
    if reason ~= '' then data.reason = reason end
    append('trunk_changed', 'trunk:' .. q.trunk, data)
  end
  return { ok = true }
end

local function version() return tonumber(redis.call('GET', K .. 'config:version') or '0') end

local function forget_lapsed()
  local lapsed = redis.call('ZRANGEBYSCORE', K .. 'leases', '-inf', text(now - LEASE_KEPT_MS), 'LIMIT', 0, DUE_AT_ONCE)
  for _, id in ipairs(lapsed) do
    if redis.call('SCARD', K .. 'owned:' .. id) == 0 then
      redis.call('ZREM', K .. 'leases', id)
      redis.call('DEL', K .. 'lease:' .. id)
    end
  end
end

local function node(q)
  local expires = tonumber(redis.call('ZSCORE', K .. 'leases', q.id) or '0')
  if q.op == 'leave' then
    if redis.call('SCARD', K .. 'owned:' .. q.id) > 0 then
      redis.call('ZADD', K .. 'leases', 0, q.id)        -- its contacts wait for an adopter, who looks for lapsed leases
    else
      redis.call('ZREM', K .. 'leases', q.id)
      redis.call('DEL', K .. 'lease:' .. q.id)
    end
    return { ok = true, now = now, config_version = version() }
  end
  redis.call('SET', K .. 'lease:' .. q.id, cjson.encode({
    role = q.role, id = q.id, incarnation = q.incarnation, address = q.address, load = q.load,
    draining = q.draining == true,
  }))
  redis.call('ZADD', K .. 'leases', text(now + q.lease_ms), q.id)
  forget_lapsed()
  return { ok = true, now = now, config_version = version(), lapsed = expires <= now }
end

local function adopt(q)
  local expires = tonumber(redis.call('ZSCORE', K .. 'leases', q.dead) or '0')
  if expires > now or q.dead == q.node then return fail('alive') end
  local contacts = {}
  local ids = redis.call('SRANDMEMBER', K .. 'owned:' .. q.dead, ADOPT_AT_ONCE)
  for i, id in ipairs(ids) do
    local key = K .. 'contact:' .. id
    local epoch = redis.call('HINCRBY', key, 'epoch', 1)
    redis.call('HSET', key, 'owner', q.node)
    redis.call('SMOVE', K .. 'owned:' .. q.dead, K .. 'owned:' .. q.node, id)
    contacts[i] = { id, epoch, redis.call('HGET', key, 'doc') }
  end
  -- the edges read where requests for the dead incarnation go now; longer than any call
  redis.call('HSET', K .. 'adopted', q.dead, q.node)
  redis.call('PEXPIRE', K .. 'adopted', ADOPTED_MS)
  local left = redis.call('SCARD', K .. 'owned:' .. q.dead)
  if left == 0 then
    redis.call('ZREM', K .. 'leases', q.dead)
    redis.call('DEL', K .. 'lease:' .. q.dead)
    redis.call('PEXPIRE', K .. 'inbox:' .. q.dead, LEASE_KEPT_MS)
  end
  return { ok = true, contacts = contacts, more = left > 0 }
end

local function publish(q)
  if q.version <= version() then return fail('stale', { version = version() }) end
  for kind, documents in pairs(q.kinds) do
    local key = K .. 'config:' .. kind
    redis.call('DEL', key)
    for id, document in pairs(documents) do redis.call('HSET', key, id, document) end
  end
  redis.call('SET', K .. 'config:version', text(q.version))
  return { ok = true }
end

local function open(keys, request)
  K, asker, touched = keys[1] .. ':', nil, {}
  local t = redis.call('TIME')
  local clock = tonumber(redis.call('HGET', K .. 'counters', 'now') or '0')
  now = math.max(clock, tonumber(request.now) or t[1] * 1000 + math.floor(t[2] / 1000))
  redis.call('HSET', K .. 'counters', 'now', text(now))
  return run_due()
end

local function answered(fn)
  return function(keys, args)
    local request = cjson.decode(args[1])
    open(keys, request)
    local answer = fn(request)
    announce_queues()
    return cjson.encode(answer)
  end
end

local function tick(keys, args)
  local due = open(keys, cjson.decode(args[1]))
  announce_queues()
  return cjson.encode({ ok = true, due = due })
end

-- nothing of Lua's own library is there while a library loads: no pairs, no cjson
redis.register_function('commit', answered(commit))
redis.register_function('ask', answered(ask))
redis.register_function('agent', answered(agent))
redis.register_function('phone', answered(phone))
redis.register_function('trunk', answered(trunk))
redis.register_function('node', answered(node))
redis.register_function('adopt', answered(adopt))
redis.register_function('publish', answered(publish))
redis.register_function { function_name = 'tick', callback = tick, description = 'lcall ' .. VERSION }
