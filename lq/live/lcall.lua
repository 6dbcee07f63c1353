#!lua name=lcall
-- The live state's only writer (docs/contracts.md §2). Each call is one atomic step: due deadlines, the change, and at
-- once the match of whoever became ready or began to wait. Invariant after every call: no waiting contact shares a lane
-- with a ready agent. So whoever is new is the only one who can be paired, and heads of lines are all that is looked at.
--
-- A script that fails midway is not rolled back: every function checks first and writes last.
-- An agent's states, operations and outcomes are rendered in from lq/acd/agent.py, LEASE_MS from lq/live/values.py,
-- MAX_KEY from lq/acd/strategies.py.
-- A field that is absent reads ''.

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
local LEASE_MS = @LEASE_MS@
local CLOSED_MS = 3000          -- in a new era `match` waits so long for nodes to say what they hold
local SETTLE_MS = 2 * LEASE_MS  -- nobody adopts before a new Redis has been up so long
local PAIRS_AT_ONCE = 32        -- when `match` opens again
local RECALLED_WRAP_UP_MS = 20000   -- how much of it was left is forgotten
local RECALLED_TALK_MS = 30000  -- so long a talk that nobody holds may still be claimed by a node that was frozen
local IDLE_EPOCH = 1577836800000 -- 2020: keeps scores of agents below 2^53
local COUNTED_MS = 172800000    -- two days: calls of a day of the center, wherever that is
local GUESSED_MS = 900000       -- so long wrong PINs are remembered, from the last one that was counted on
local CALLED_MS = 3600000       -- so long a conference remembers whom it has called …
local CALLED_KEPT = 200         -- … the last of them
local BUCKETS_AT_ONCE = 2000    -- of a list that is cleared
local NUMBERS_AHEAD = 1000000   -- more than are ever given between two words of a node
local FAILURE = 41              -- Q.850 cause: temporary failure
local KEY_STEP = 1e12           -- > milliseconds from IDLE_EPOCH to 2050
local MAX_KEY = @MAX_KEY@
local TALK_STEP_MS = 10000      -- so much talk is one step of the key `talk`

local K                         -- prefix of all keys, from the one declared key
local now                       -- ms; the same within a call. It runs backwards only when the clock was set back (set_back)
local floor                     -- numbers rise for ever, whatever the clock does: none is lower than this
local day                       -- ms: when the center's day began, which only nodes know; 0 until one has said so
local asker                     -- contact whose ask runs: needs no notice
local touched                   -- lanes whose counts changed
local run                       -- this Redis process (INFO run_id); read once, for a library lives as long as its process
local era                       -- rises when Redis may have forgotten something: new process, new master, silence
local closed_until              -- ms; while set nobody is paired: contacts and agents stand in line only

local function text(n) return string.format('%.0f', n) end
local function given(v) return v ~= nil and v ~= cjson.null and v ~= '' end
local function object(v) if given(v) then return cjson.decode(v) end return {} end

local function hash(key)
  local flat, h = redis.call('HGETALL', key), {}
  for i = 1, #flat, 2 do h[flat[i]] = flat[i + 1] end
  return setmetatable(h, { __index = function() return '' end })
end

local function next_number(previous)    -- rises for ever, also after the loss of the previous one
  return math.max((tonumber(previous) or 0) + 1, now, floor)
end

local function counter(name)
  local n = next_number(redis.call('HGET', K .. 'counters', name))
  redis.call('HSET', K .. 'counters', name, text(n))
  return n
end

local function deadline(name, at) redis.call('ZADD', K .. 'deadlines', text(at), name) end
local function no_deadline(name) return redis.call('ZREM', K .. 'deadlines', name) == 1 end

local function set_closed_until(at)
  closed_until = at
  if at then redis.call('HSET', K .. 'counters', 'closed_until', text(at))
  else redis.call('HDEL', K .. 'counters', 'closed_until') end
end

local function is_closed() return closed_until and now < closed_until end

local function append(type, subject, data)
  local seq = next_number(redis.call('HGET', K .. 'seq', subject))
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

local function drawn(n)         -- 0..n-1: from what no two pairs have in common, so that models draw the same
  local last = redis.call('HGET', K .. 'counters', 'fence') or ''
  return tonumber(string.sub(redis.sha1hex(text(now) .. ':' .. last), 1, 8), 16) % n
end

local function is_drawn(lane, id)       -- whether agents of that line come in no order
  return object(redis.call('HGET', K .. 'agent:' .. id, 'lanes') or '')[lane] == 'random'
end

local function head(lane, part)
  local h = redis.call('ZRANGE', lane_key(lane, part), 0, 0, 'WITHSCORES')
  if part == 'agents' and h[1] and is_drawn(lane, h[1]) then
    local n = drawn(redis.call('ZCARD', lane_key(lane, part)))
    h = redis.call('ZRANGE', lane_key(lane, part), n, n, 'WITHSCORES')
  end
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

local function queues_of(a)
  local queues = {}
  for lane in pairs(object(a.lanes)) do
    if queue_of(lane) == lane then queues[#queues + 1] = lane end
  end
  table.sort(queues)
  return queues
end

local function announce_agent(a, previous)
  local data = { agent = a.id, state = a.state, previous = previous, since = tonumber(a.since) }
  for _, name in ipairs({ 'reason', 'next', 'phone', 'contact', 'code' }) do
    if a[name] ~= '' then data[name] = a[name] end
  end
  local queues = queues_of(a)
  if #queues > 0 then data.queues = queues end
  append('agent_state_changed', 'agent:' .. a.id, data)
end

local function figures(a)       -- of his day: calls that he was given and has answered, ms that he has talked
  if a.day ~= text(day) then return 0, 0 end
  return tonumber(a.calls) or 0, tonumber(a.talked) or 0
end

local function counted(a, state)        -- what his figures are when he enters that state; nil: as they were
  local answers = state == 'talking' and (a.state == 'reserved' or a.state == 'ringing')
  if a.state ~= 'talking' and not answers then return nil end
  local calls, talked = figures(a)
  if a.state == 'talking' then talked = talked + math.max(0, now - math.max(tonumber(a.since) or now, day)) end
  return { day = text(day), calls = text(calls + (answers and 1 or 0)), talked = text(talked) }
end

local KEYS = {                  -- by the words of lq/acd/strategies.py
  calls = function(a) return (figures(a)) end,
  talk = function(a)
    local _, talked = figures(a)
    return math.floor(talked / TALK_STEP_MS)
  end,
  random = function() return 0 end,
}

local function place_of(key) return type(key) == 'string' and string.match(key, '^place:(%d%d?%d?%d?)$') end
local function is_key(key) return type(key) == 'number' or KEYS[key] ~= nil or place_of(key) end

local function score_of(a, key)
  local place = place_of(key)
  if place then return text(tonumber(place) * KEY_STEP) end     -- equal scores stand by name: nobody's idle time counts
  if type(key) == 'string' then key = math.min(KEYS[key](a), MAX_KEY) end
  return text(key * KEY_STEP + tonumber(a.line) - IDLE_EPOCH)
end

local function stand_in_line(a)
  for lane, key in pairs(object(a.lanes)) do
    redis.call('ZADD', lane_key(lane, 'agents'), score_of(a, key), a.id)
    if closed_until then redis.call('SADD', K .. 'unmatched', lane) end
    touch(lane)
  end
end

local function stand_anew()     -- all who are ready
  local ids = redis.call('SMEMBERS', K .. 'agents')
  table.sort(ids)
  for _, id in ipairs(ids) do
    local a = agent_of(id)
    if a.state == 'ready' then stand_in_line(a) end
  end
end

local function leave_line(a)
  for lane in pairs(object(a.lanes)) do
    redis.call('ZREM', lane_key(lane, 'agents'), a.id)
    touch(lane)
  end
end

local function enter(a, state, fields, known)  -- the only place that changes a state; known: the ledger says so already
  local previous = a.state
  if previous == 'ready' then leave_line(a) end
  if previous == 'wrap_up' then no_deadline('wrap_up:' .. a.id) end
  if previous == 'busy_other' or previous == 'phone_offline' then no_deadline('back:' .. a.id) end
  if previous == 'talking' and a.lane ~= '' then redis.call('SREM', lane_key(a.lane, 'talking'), a.id) end
  if state == 'talking' and a.lane ~= '' then redis.call('SADD', lane_key(a.lane, 'talking'), a.id) end
  local change = { state = state, since = text(now), reason = '' }
  for name, value in pairs(counted(a, state) or {}) do change[name] = value end
  for name, value in pairs(fields or {}) do change[name] = value end
  note(a, change)
  if not known then announce_agent(a, previous) end
end

local function registered(ext)           -- a number outside (+86…) registers nowhere, and is taken to be there
  if string.sub(ext, 1, 1) == '+' then return true end
  return (tonumber(redis.call('HGET', K .. 'phone:' .. ext, 'registered_until') or '0') or 0) > now
end

local function wants_code(queue)        -- its calls must be given a code, and there is one for them
  local document = queue ~= '' and redis.call('HGET', K .. 'config:queues', queue)
  if not document or cjson.decode(document).wrap_up_code ~= 'required' then return false end
  for _, body in ipairs(redis.call('HVALS', K .. 'config:wrap_up_codes')) do
    local code = cjson.decode(body)
    local queues = given(code.queues) and code.queues or {}
    local fits = #queues == 0
    for _, one in ipairs(queues) do fits = fits or one == queue end
    if fits and code.enabled ~= false and not given(code.parent) then return true end
  end
  return false
end

-- He tidies up, and has not said yet what the call was about: he stays until he does, or signs out.
local function owes_code(a) return a.state == 'wrap_up' and a.code == '' and wants_code(a.queue) end
local function tidied(a) note(a, { contact = '', code = '', queue = '' }) end

local function leave_phone(a)
  local key = K .. 'phone:' .. a.phone
  if redis.call('HGET', key, 'agent') == a.id then redis.call('HDEL', key, 'agent') end
end

local function sign_out(a, known)
  for lane in pairs(object(a.lanes)) do
    redis.call('SREM', lane_key(lane, 'signed_in'), a.id)
    touch(lane)
  end
  redis.call('SREM', K .. 'agents', a.id)
  leave_phone(a)
  enter(a, 'signed_out', { next = '', next_reason = '', line = '', no_answer = '' }, known)
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

local function join_queue(contact, lanes, since)
  for lane, score in pairs(lanes) do
    redis.call('ZADD', lane_key(lane, 'contacts'), text(score), contact)
    redis.call('ZADD', lane_key(lane, 'since'), since, contact)
    if closed_until then redis.call('SADD', K .. 'unmatched', lane) end
    touch(lane)
  end
  redis.call('HSET', K .. 'contact:' .. contact, 'lanes', cjson.encode(lanes))
end

local function pair(a, contact, lane)
  local fence, key = counter('fence'), K .. 'contact:' .. contact
  local lease = tonumber(redis.call('HGET', key, 'lease_ms') or '20000')
  leave_queue(contact)
  enter(a, 'reserved', { contact = contact, fence = text(fence), lane = lane, leg = '', code = '' })
  redis.call('HSET', key, 'agent', a.id, 'fence', text(fence), 'lane', lane, 'with:' .. a.id, text(fence))
  deadline('reservation:' .. a.id .. ':' .. text(fence), now + lease)
  notice(contact)
end

local function pair_or_stand(a)
  local contact, lane
  if not closed_until then contact, lane = best_head(object(a.lanes), 'contacts') end
  if contact then pair(a, contact, lane) else stand_in_line(a) end
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
  pair_or_stand(a)
end

local function unbind(a)        -- a's contact loses him; the deadline of his reservation goes
  local key = K .. 'contact:' .. a.contact
  no_deadline('reservation:' .. a.id .. ':' .. a.fence)
  redis.call('HDEL', key, 'with:' .. a.id)
  if redis.call('HGET', key, 'agent') == a.id then redis.call('HDEL', key, 'agent', 'fence', 'lane') end
end

local function take_agent(a, contact, leg, state, lease_ms)     -- without the ACD; what he was is kept
  local fence, tidies = text(counter('fence')), redis.call('ZSCORE', K .. 'deadlines', 'wrap_up:' .. a.id)
  if a.state == 'paused' then note(a, { next = 'paused', next_reason = a.reason }) end
  if a.state == 'wrap_up' then
    local owed = owes_code(a) and a.queue or ''
    note(a, { left = text(math.max(1, (tonumber(tidies) or now) - now)), wrapped = a.contact, owed = owed })
  end
  enter(a, state, { contact = contact, fence = fence, lane = 'agent:' .. a.id, leg = text(leg), code = '' })
  redis.call('HSET', K .. 'contact:' .. contact, 'with:' .. a.id, fence)
  if lease_ms > 0 then deadline('reservation:' .. a.id .. ':' .. fence, now + lease_ms) end
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

local function release(a, outcome, wrap_up_ms, queue)     -- queue: whose call it was ('': of none); nil: his lane says it
  local rule, lane = OUTCOMES[outcome], a.lane
  unbind(a)
  local tidies = outcome == 'answered' and (wrap_up_ms or 0) > 0
  -- he who dialled in his wrap-up has at least what was left of it
  local wrap_up = math.max(tidies and wrap_up_ms or 0, tonumber(a.left) or 0)
  -- `contact` stays in the hash while the state changes from talking, so the event says whose wrap-up this is
  local freed = { fence = '', contact = a.wrapped, queue = a.owed, left = '', wrapped = '', owed = '' }
  if tidies and a.owed == '' then       -- else the call before this one comes first
    freed.contact, freed.queue = a.contact, queue or queue_of(lane) or ''
  end
  local count = (tonumber(a.no_answer) or 0) + (rule.counts_no_answer and 1 or 0)
  if outcome == 'answered' then count = 0 end
  note(a, { no_answer = text(count) })
  if wrap_up > 0 then
    enter(a, 'wrap_up', freed)
    deadline('wrap_up:' .. a.id, now + wrap_up)
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

-- trunk channels: who holds which number, as a set of leased legs (never a counter). A lease is bound to a contact, whose
-- owner and epoch guard it; it ends with the leg or with the contact.

local function channels_key(trunk) return K .. 'channels:' .. trunk end

local function lowest_free(key)   -- 1..n are all taken where ZCOUNT says n: a search over ranks, O(log² n)
  local low, high = 1, redis.call('ZCARD', key) + 1
  while low < high do
    local middle = math.floor((low + high) / 2)
    if redis.call('ZCOUNT', key, 1, middle) == middle then low = middle + 1 else high = middle end
  end
  return low
end

local function channels_of(trunk)
  local document = redis.call('HGET', K .. 'config:trunks', trunk)
  return document and (cjson.decode(document).channels or 30) or 0
end

local function held_channel(contact, leg)   -- trunk, number, direction; nil if the leg holds none
  local held = redis.call('HGET', K .. 'contact:' .. contact, 'channel:' .. leg)
  if not held then return nil end
  local number, direction, trunk = string.match(held, '^(%d+) (%a+) (.*)$')
  return trunk, tonumber(number), direction
end

local function release_channel(contact, leg, known)
  local trunk, number, direction = held_channel(contact, leg)
  if not trunk then return end
  local key = channels_key(trunk)
  redis.call('HDEL', K .. 'contact:' .. contact, 'channel:' .. leg)
  redis.call('ZREM', key, contact .. '.' .. leg)
  if known then return end
  append('channel_released', 'trunk:' .. trunk, {
    trunk = trunk, number = number, direction = direction, contact = contact, leg = contact .. '.' .. leg,
    taken = redis.call('ZCARD', key),
  })
end

local function take_channel(contact, leg, trunk, number, direction, size, known)
  local key = channels_key(trunk)
  redis.call('ZADD', key, number, contact .. '.' .. leg)
  redis.call('HSET', K .. 'contact:' .. contact, 'channel:' .. leg, number .. ' ' .. direction .. ' ' .. trunk)
  local data = {
    trunk = trunk, number = number, direction = direction, contact = contact, leg = contact .. '.' .. leg,
    taken = redis.call('ZCARD', key), channels = size,
  }
  if number > size then data.over = true end
  if known then return end
  append('channel_seized', 'trunk:' .. trunk, data)
end

local function channel_step(contact, op)  -- one entry of commit's `channels`
  local leg = text(op.leg)
  local result = { trunk = op.trunk, leg = op.leg, ok = true }
  if op.op == 'release' then
    release_channel(contact, leg)
    return result
  end
  local trunk, number = held_channel(contact, leg)
  if trunk == op.trunk then   -- a commit repeated
    result.number = number
    return result
  end
  release_channel(contact, leg)   -- the next route: a leg holds one channel
  local size, free = channels_of(op.trunk), lowest_free(channels_key(op.trunk))
  if free > size and op.direction ~= 'in' then
    result.ok, result.error = false, 'full'
    return result
  end
  take_channel(contact, leg, op.trunk, free, op.direction, size)
  result.number = free
  return result
end

-- the gate to the outside ---------------------------------------------------------------------------------------------
-- Entries of a list stand in hashes by the last four digits of the number, some hundred in each of a list of a million:
-- these are packed (21 bytes a number, measured), and a look is one HGET. Prefixes have a hash of
-- their own, asked for every beginning of the number at once.

local function list_key(list, number)
  if string.sub(number, -1) == '*' then return K .. 'list:' .. list .. ':prefixes' end
  return K .. 'list:' .. list .. ':' .. string.sub('0000' .. number, -4)
end

local function holds_still(expires) return expires and (expires == '0' or tonumber(expires) > now) end

local function is_listed(list, number)
  if holds_still(redis.call('HGET', list_key(list, number), number)) then return true end
  local beginnings = {}
  for length = 1, #number do beginnings[length] = string.sub(number, 1, length) .. '*' end
  for _, expires in ipairs(redis.call('HMGET', K .. 'list:' .. list .. ':prefixes', unpack(beginnings))) do
    if holds_still(expires) then return true end
  end
  return false
end

local function look(_, op)
  local listed = {}
  for _, list in ipairs(op.lists) do
    if op.number ~= '' and is_listed(list, op.number) then listed[#listed + 1] = list end
  end
  local agent = given(op.phone) and redis.call('HGET', K .. 'phone:' .. op.phone, 'agent') or ''
  return { op = 'look', leg = op.leg, listed = listed, agent = agent or '' }
end

local function count_call(contact, op)   -- one for a contact, however often it is said, by whichever node
  local said_key, said = K .. 'contact:' .. contact, 'counted:' .. op.purpose .. ':' .. op.number
  local before = redis.call('HGET', said_key, said)
  if before then return { op = 'count', leg = op.leg, ok = before == '1' } end
  local calls = K .. 'calls:' .. op.purpose .. ':' .. op.day
  local ok = (tonumber(redis.call('HGET', calls, op.number) or '0')) < op.limit
  if ok then
    redis.call('HINCRBY', calls, op.number, 1)
    redis.call('PEXPIRE', calls, COUNTED_MS)
  end
  redis.call('HSET', said_key, said, ok and '1' or '0')
  return { op = 'count', leg = op.leg, ok = ok }
end

local function guess(contact, op)        -- a PIN of `number`, the `nth` that this contact enters
  local key, said = K .. 'guesses:' .. op.number, 'guessed:' .. text(op.nth)
  local ok = (tonumber(redis.call('GET', key) or '0')) < op.limit
  if ok and op.wrong == true and redis.call('HSETNX', K .. 'contact:' .. contact, said, '1') == 1 then
    redis.call('INCR', key)
    redis.call('PEXPIRE', key, GUESSED_MS)
  end
  return { op = 'guess', leg = op.leg, ok = ok }
end

local ANSWER_OF = { look = look, count = count_call, guess = guess }

-- deadlines -----------------------------------------------------------------------------------------------------------

-- The agent there learns of his phone; in a new era not before it is known who he is.
local function at_phone(h, ext, operation)
  if is_closed() then
    redis.call('SADD', K .. 'phones_said', ext)
  elseif h.agent ~= '' then
    local a = agent_of(h.agent)
    local to = TABLE[a.state][operation]
    if to == 'phone_offline' then enter(a, to, { line = '' }) elseif to == 'ready' then become_ready(a) end
  end
end

local function phone_gone(ext, reason)
  local h = hash(K .. 'phone:' .. ext)
  if h.registered == '1' then
    redis.call('HSET', K .. 'phone:' .. ext, 'registered', '0')
    local data = { phone = ext, registered = false, reason = reason }
    if h.agent ~= '' then data.agent = h.agent end
    append('phone_changed', 'phone:' .. ext, data)
  end
  at_phone(h, ext, 'phone_down')
end

local DUE = {
  reservation = function(rest)
    local id, fence = string.match(rest, '^(.*):(%d+)$')
    local a = agent_of(id)
    if a.fence == fence and TABLE[a.state].expire then release(a, 'expired') end
  end,
  wrap_up = function(id)
    local a = agent_of(id)
    if TABLE[a.state].wrap_up_end and (a.next == 'signed_out' or not owes_code(a)) then
      tidied(a)
      become_ready(a)
    end
  end,
  back = function(id)
    local a = agent_of(id)
    if TABLE[a.state].back and (a.state ~= 'phone_offline' or registered(a.phone)) then become_ready(a) end
  end,
  phone = function(ext)
    redis.call('HSET', K .. 'phone:' .. ext, 'registered_until', '0')
    phone_gone(ext, 'expired')
  end,
}

local function run_due()
  if is_closed() then return 0 end      -- whoever should have renewed or ended something could not
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

-- The contact may ask for another (a consultation); a reservation that it holds meanwhile is not this one.
local function is_answered(a, contact, reservation)
  local key = K .. 'contact:' .. contact
  if redis.call('HGET', key, 'agent') == a.id then redis.call('HDEL', key, 'fence') end
  if reservation then no_deadline(reservation) end
end

local function is_lanes(v)
  if type(v) ~= 'table' then return false end
  for lane, score in pairs(v) do
    if type(lane) ~= 'string' or type(score) ~= 'number' then return false end
  end
  return true
end

local function is_keys(v)       -- an agent's lanes
  if type(v) ~= 'table' then return false end
  for lane, key in pairs(v) do
    if type(lane) ~= 'string' or not is_key(key) then return false end
  end
  return true
end

local IS = { lanes = is_lanes, keys = is_keys }

-- What a request must have, so that nothing fails after the first write: a script is not rolled back.
local function misshapen(request, fields)
  for field, kind in pairs(fields) do
    local name, optional = string.match(field, '^([^?]+)(%??)$')
    local value = request[name]
    local fits = type(value) == kind or IS[kind] and IS[kind](value)
    if not fits and not (optional == '?' and not given(value)) then
      return name .. ' is expected to be: ' .. kind
    end
  end
end

local function agent_step(contact, op)  -- one entry of commit's `agents`
  local a = agent_of(op.agent)
  local to = TABLE[a.state][op.op]
  if a.contact ~= contact or a.fence ~= text(op.fence) or not to then
    return { agent = op.agent, ok = false, state = a.state }
  end
  if given(op.lanes) then set_lanes(a, op.lanes) end
  if op.op == 'release' then
    release(a, op.outcome, tonumber(op.wrap_up_ms), type(op.queue) == 'string' and op.queue or nil)
  else
    if to ~= 'stay' then enter(a, to) end
    local name = 'reservation:' .. a.id .. ':' .. a.fence
    if given(op.ttl_ms) then
      deadline(name, now + op.ttl_ms)
    elseif a.state == 'talking' then
      no_deadline(name)
    end
    if op.op == 'talking' then is_answered(a, contact) end
  end
  return { agent = op.agent, ok = true, state = a.state }
end

local function engage_step(contact, q)          -- one entry of commit's `engages`
  local a = agent_of(given(q.agent) and q.agent or redis.call('HGET', K .. 'phone:' .. q.phone, 'agent') or '')
  local result = { leg = q.leg, ok = false, agent = a.id, state = a.state, phone = a.phone or '' }
  if a.contact ~= contact or a.fence == '' or a.leg ~= text(q.leg) then         -- else a commit repeated
    local to = TABLE[a.state][q.own == true and 'dial' or 'reserve']
    if is_closed() then result.state = 'settling' end   -- somebody may have him and not have said so yet
    if is_closed() or not to then return result end
    take_agent(a, contact, q.leg, to, q.lease_ms)
  end
  result.ok, result.state, result.reservation = true, a.state, tonumber(a.fence)
  result.media = redis.call('HGET', K .. 'phone:' .. a.phone, 'media') or ''
  return result
end

-- conferences: who is in one, as long as his contact lives; whoever is in it is told of those who come and go

local function gathering(id)
  local roles, hosts = redis.call('HVALS', K .. 'conference:' .. id), 0
  for _, role in ipairs(roles) do if role == 'host' then hosts = hosts + 1 end end
  return { ok = true, parties = #roles, hosts = hosts,
    change = tonumber(redis.call('HGET', K .. 'counters', 'gathering') or '0') }
end

local function tell_parties(id, but)
  counter('gathering')
  local g = gathering(id)
  local contacts = redis.call('HKEYS', K .. 'conference:' .. id)
  table.sort(contacts)
  for _, contact in ipairs(contacts) do
    local owner = redis.call('HGET', K .. 'contact:' .. contact, 'owner')
    if owner and contact ~= but then
      redis.call('XADD', K .. 'inbox:' .. owner, 'MAXLEN', '~', INBOX_LENGTH, '*', 'm',
        cjson.encode({ type = 'parties', contact = contact, parties = g.parties, hosts = g.hosts, change = g.change }))
    end
  end
end

local function leave_conference(contact)
  local id = redis.call('HGET', K .. 'contact:' .. contact, 'conference')
  if not id then return end
  redis.call('HDEL', K .. 'contact:' .. contact, 'conference')
  if redis.call('HDEL', K .. 'conference:' .. id, contact) == 1 then tell_parties(id) end
end

local function join_conference(contact, m)    -- most 0: he is in it, whoever else is
  local key, role = K .. 'conference:' .. m.conference, m.host and 'host' or 'guest'
  local known = redis.call('HGET', key, contact)
  if not known and m.most > 0 and redis.call('HLEN', key) >= m.most then
    local full = gathering(m.conference)
    full.ok = false
    return full
  end
  local before = redis.call('HGET', K .. 'contact:' .. contact, 'conference')
  if before and before ~= m.conference then leave_conference(contact) end
  redis.call('HSET', K .. 'contact:' .. contact, 'conference', m.conference)
  redis.call('HSET', key, contact, role)
  if known ~= role then tell_parties(m.conference, contact) end
  return gathering(m.conference)
end

-- Whom a conference has called, and what became of it, for whoever looks at its list within the hour.
local function note_called(contact, called)
  local key = K .. 'called:' .. called.conference
  if redis.call('HEXISTS', key, contact) == 0 and redis.call('HLEN', key) >= CALLED_KEPT then
    local contacts = redis.call('HKEYS', key)
    table.sort(contacts)        -- ids rise with time
    redis.call('HDEL', key, contacts[1])
  end
  redis.call('HSET', key, contact, cjson.encode({ conference = called.conference, to = called.to, at = called.at,
    outcome = called.outcome }))
  redis.call('PEXPIRE', key, CALLED_MS)
end

local function finish(contact, owner, epoch)
  leave_conference(contact)
  leave_queue(contact)
  local bound, legs = {}, {}
  for name in pairs(hash(K .. 'contact:' .. contact)) do
    bound[#bound + 1] = string.match(name, '^with:(.*)$')
    legs[#legs + 1] = string.match(name, '^channel:(.*)$')
  end
  table.sort(bound)             -- who goes back into line first must not depend on the order of a hash
  table.sort(legs)
  for _, leg in ipairs(legs) do release_channel(contact, leg) end
  for _, id in ipairs(bound) do release(agent_of(id), 'caller_gone') end
  redis.call('SET', K .. 'over:' .. contact, owner .. ' ' .. text(epoch), 'PX', OVER_MS)
  redis.call('SREM', K .. 'owned:' .. owner, contact)
  redis.call('SREM', K .. 'contacts', contact)
  redis.call('DEL', K .. 'contact:' .. contact)
end

-- What a contact holds, as its owner remembers it, is made so ------------------------------------------------------------

local function bind(a, contact, hold)
  if a.fence ~= '' then unbind(a) end
  if a.state == 'talking' and a.lane ~= '' then redis.call('SREM', lane_key(a.lane, 'talking'), a.id) end
  note(a, { lane = hold.lane, leg = '' })
  if a.phone ~= hold.phone then
    leave_phone(a)
    redis.call('HSET', K .. 'phone:' .. hold.phone, 'agent', a.id)
  end
  if a.state == 'signed_out' then
    redis.call('SADD', K .. 'agents', a.id)
    note(a, { name = given(hold.name) and hold.name or a.name })
    set_lanes(a, given(hold.lanes) and hold.lanes or {})
    for lane in pairs(object(a.lanes)) do touch(lane) end
  end
  note(a, { phone = hold.phone })
  local key = K .. 'contact:' .. contact
  redis.call('HSET', key, 'with:' .. a.id, text(hold.fence))
  if hold.state ~= 'talking' and hold.engaged ~= true then
    redis.call('HSET', key, 'agent', a.id, 'fence', text(hold.fence), 'lane', hold.lane)
  end
end

local function last_said(id) return tonumber(redis.call('HGET', K .. 'seq', 'agent:' .. id) or '0') end

local function hold_agent(contact, hold)
  local a, fence = agent_of(hold.agent), text(hold.fence)
  local same = a.contact == contact and a.fence == fence
  if not same and a.fence ~= '' and tonumber(a.fence) > hold.fence then return { agent = a.id, ok = false } end
  local known = given(hold.seq)         -- the ledger has said that he is in this state
  local news = known and hold.seq > last_said(a.id)
  if news then redis.call('HSET', K .. 'seq', 'agent:' .. a.id, text(hold.seq)) end
  if not same then bind(a, contact, hold) end
  if not same or a.state ~= hold.state then
    enter(a, hold.state, {
      contact = contact, fence = fence, lane = hold.lane, since = text(given(hold.since) and hold.since or now),
    }, known)
  end
  if news or not same then note(a, { next = given(hold.next) and hold.next or '', next_reason = '' }) end
  local name = 'reservation:' .. a.id .. ':' .. fence
  if hold.state ~= 'talking' and hold.ttl_ms > 0 then
    deadline(name, now + hold.ttl_ms)
  else
    is_answered(a, contact, name)
  end
  return { agent = a.id, ok = true }
end

local function is_let_go(a)     -- by a contact that holds him no more: what became of him is remembered, for when the era opens
  local word = redis.call('HGET', K .. 'recalled', a.id)
  if not word or cjson.decode(word).seq <= last_said(a.id) then return false end
  unbind(a)
  note(a, { fence = '', contact = '', left = '', wrapped = '', owed = '' })
  return true
end

local function let_others_go(contact, held)  -- but one who was just taken: his owner may not have heard of it yet
  local others = {}
  for name in pairs(hash(K .. 'contact:' .. contact)) do
    local id = string.match(name, '^with:(.*)$')
    if id and not held[id] then others[#others + 1] = id end
  end
  table.sort(others)
  for _, id in ipairs(others) do
    local a = agent_of(id)
    local is_new = a.state == 'reserved' or a.state == 'dialing'
    if not is_let_go(a) and not is_new then release(a, 'caller_gone') end
  end
end

local function clear_channel(trunk, number)      -- of who held it before the lost moment; his owner will say so if he has it still
  local holder = redis.call('ZRANGEBYSCORE', channels_key(trunk), number, number)[1]
  if not holder then return true end
  local contact, leg = string.match(holder, '^(.*)%.(%d+)$')
  if redis.call('HGET', K .. 'contact:' .. contact, 'era') == era then return false end
  release_channel(contact, leg, true)
  return true
end

local function hold_channels(contact, channels, legs)
  local alive, said = {}, {}
  for _, leg in ipairs(legs) do alive[text(leg)] = true end
  for _, hold in ipairs(channels) do said[text(hold.leg)] = hold end
  local held = {}
  for name in pairs(hash(K .. 'contact:' .. contact)) do held[#held + 1] = string.match(name, '^channel:(.*)$') end
  table.sort(held)
  for _, leg in ipairs(held) do
    local trunk, number = held_channel(contact, leg)
    local hold = said[leg]
    if not alive[leg] then
      release_channel(contact, leg)
    elseif hold and (hold.trunk ~= trunk or hold.number ~= number) then
      release_channel(contact, leg, true)
    end
  end
  for _, hold in ipairs(channels) do
    if not held_channel(contact, text(hold.leg)) then
      local free = clear_channel(hold.trunk, hold.number)
      local at = free and hold.number or lowest_free(channels_key(hold.trunk))
      take_channel(contact, text(hold.leg), hold.trunk, at, hold.direction, channels_of(hold.trunk), free)
    end
  end
end

-- Into line again, or at once to who is ready: it may be said late, when the era has opened and nobody else is matched.
local function wait_again(contact, place)
  local key, since = K .. 'contact:' .. contact, text(place.since)
  redis.call('HSET', key, 'since', since, 'lease_ms', text(place.lease_ms))
  local agent, lane
  if not closed_until then agent, lane = best_head(place.lanes, 'agents') end
  if agent then pair(agent_of(agent), contact, lane) else join_queue(contact, place.lanes, since) end
end

local function reassert(contact, holds)
  local held, results = {}, {}
  for i, hold in ipairs(holds.agents or {}) do held[hold.agent] = true end
  let_others_go(contact, held)
  for i, hold in ipairs(holds.agents or {}) do results[i] = hold_agent(contact, hold) end
  hold_channels(contact, holds.channels or {}, holds.legs or {})
  if given(holds.conference) then join_conference(contact, holds.conference) else leave_conference(contact) end
  leave_queue(contact)
  if given(holds.waiting) and redis.call('HEXISTS', K .. 'contact:' .. contact, 'fence') == 0 then
    wait_again(contact, holds.waiting)
  end
  return results
end

local function mistake_in_holds(holds)
  for _, hold in ipairs(holds.agents or {}) do
    local wrong = misshapen(hold, {
      agent = 'string', phone = 'string', fence = 'number', state = 'string', lane = 'string', ttl_ms = 'number',
      ['lanes?'] = 'keys', ['since?'] = 'number', ['seq?'] = 'number', ['next?'] = 'string', ['engaged?'] = 'boolean',
    })
    if wrong or not TABLE[hold.state] then return 'a held agent: ' .. (wrong or 'unknown state ' .. hold.state) end
  end
  for _, hold in ipairs(holds.channels or {}) do
    local wrong = misshapen(hold, { leg = 'number', trunk = 'string', number = 'number', direction = 'string' })
    if wrong then return 'a held channel: ' .. wrong end
  end
  if given(holds.conference) then
    local wrong = misshapen(holds.conference, { conference = 'string', host = 'boolean', most = 'number' })
    if wrong then return wrong end
  end
  if given(holds.waiting) then
    return misshapen(holds.waiting, { lanes = 'lanes', since = 'number', lease_ms = 'number' })
  end
end

-- Everything is checked before the first write. (Arguments of a known kind only: a mistake here is a programmer's.)
local function mistake_in(q)
  for _, op in ipairs(q.agents or {}) do
    if type(op.agent) ~= 'string' or type(op.fence) ~= 'number' then return 'an agent operation without agent or fence' end
    if op.op == 'release' and not OUTCOMES[op.outcome] then return 'unknown outcome ' .. tostring(op.outcome) end
    local wrong = misshapen(op, {
      ['ttl_ms?'] = 'number', ['wrap_up_ms?'] = 'number', ['lanes?'] = 'keys', ['queue?'] = 'string',
    })
    if wrong then return wrong end
  end
  for _, e in ipairs(q.events or {}) do
    local wrong = misshapen(e, {
      v = 'string', type = 'string', at = 'string', subject = 'string', seq = 'string', data = 'string',
    })
    if wrong then return 'an event: ' .. wrong end
  end
  for _, op in ipairs(q.channels or {}) do
    if type(op.trunk) ~= 'string' or type(op.leg) ~= 'number' then return 'a channel operation without trunk or leg' end
    if op.op ~= 'seize' and op.op ~= 'release' then return 'unknown channel operation ' .. tostring(op.op) end
    if op.op == 'seize' and op.direction ~= 'in' and op.direction ~= 'out' then
      return 'a channel is seized in direction in or out'
    end
  end
  for _, op in ipairs(q.engages or {}) do
    local wrong = misshapen(op, { leg = 'number', lease_ms = 'number', ['agent?'] = 'string', ['phone?'] = 'string' })
    if wrong then return 'whom to engage: ' .. wrong end
    if not given(op.agent) and not given(op.phone) then return 'whom to engage: neither agent nor phone' end
  end
  for _, op in ipairs(q.gate or {}) do
    local wrong = misshapen(op, {
      op = 'string', leg = 'number', number = 'string', lists = 'table', phone = 'string', purpose = 'string',
      day = 'string', limit = 'number', ['wrong?'] = 'boolean', ['nth?'] = 'number',
    })
    if wrong then return 'a question of the gate: ' .. wrong end
    if not ANSWER_OF[op.op] then return 'a question of the gate: unknown ' .. op.op end
    if op.op == 'guess' and type(op.nth) ~= 'number' then return 'a guess without its number in the contact' end
  end
  if given(q.conference) then
    local wrong = misshapen(q.conference, { conference = 'string', host = 'boolean', most = 'number' })
    if wrong then return wrong end
  end
  if given(q.called) then
    local wrong = misshapen(q.called, { conference = 'string', to = 'string', at = 'number', outcome = 'string' })
    if wrong then return wrong end
  end
  return given(q.holds) and mistake_in_holds(q.holds) or nil
end

-- Whom the ACD has reserved for it in this very moment, when somebody else has it: it has not heard of him.
local function let_unheard_go(contact)
  local c = hash(K .. 'contact:' .. contact)
  local a = c.fence ~= '' and agent_of(c.agent)
  if a and a.contact == contact and a.fence == c.fence and a.state == 'reserved' then release(a, 'caller_gone') end
end

local function commit(q)
  local key = K .. 'contact:' .. q.contact
  local held = redis.call('HMGET', key, 'owner', 'epoch')
  local mine = q.node .. ' ' .. text(q.epoch)
  if held[1] then
    -- a higher epoch was given by an adoption that Redis has lost since
    if held[1] .. ' ' .. held[2] ~= mine and q.epoch <= tonumber(held[2]) then
      return fail('superseded', { owner = held[1], epoch = tonumber(held[2]) })
    end
  else
    local over = redis.call('GET', K .. 'over:' .. q.contact)
    if over == mine and not given(q.snapshot) then return { ok = true } end   -- its last commit, repeated
    if over then
      local owner, epoch = string.match(over, '^(.*) (%d+)$')
      return fail('superseded', { owner = owner, epoch = tonumber(epoch) })
    end
  end
  local mistake = mistake_in(q)
  if mistake then return fail('bad_request', { message = mistake }) end
  if given(q.claim) and not redis.call('SET', K .. 'claim:' .. q.claim, q.contact, 'NX', 'PX', CLAIM_MS) then
    local holder = redis.call('GET', K .. 'claim:' .. q.claim)
    if holder ~= q.contact then return fail('claimed', { contact = holder }) end
  end
  for _, e in ipairs(q.events or {}) do
    redis.call('XADD', K .. 'events', '*', 'v', e.v, 'type', e.type, 'at', e.at, 'subject', e.subject, 'seq', e.seq,
      'data', e.data)
  end
  if held[1] and held[1] ~= q.node then redis.call('SREM', K .. 'owned:' .. held[1], q.contact) end
  redis.call('HSET', key, 'owner', q.node, 'epoch', text(q.epoch), 'era', era)
  redis.call('SADD', K .. 'contacts', q.contact)
  redis.call('SADD', K .. 'owned:' .. q.node, q.contact)
  if given(q.snapshot) then redis.call('HSET', key, 'doc', q.snapshot) end
  local steps = {}
  for i, op in ipairs(q.agents or {}) do steps[i] = agent_step(q.contact, op) end
  local taken = {}
  for i, op in ipairs(q.channels or {}) do taken[i] = channel_step(q.contact, op) end
  local said = {}
  for i, op in ipairs(q.gate or {}) do said[i] = ANSWER_OF[op.op](q.contact, op) end
  if q.dequeue == true then
    leave_queue(q.contact)
    redis.call('HDEL', key, 'since')
    let_unheard_go(q.contact)
  end
  if given(q.called) then note_called(q.contact, q.called) end
  local gathered = given(q.conference) and join_conference(q.contact, q.conference) or nil
  local holds
  if given(q.snapshot) and given(q.holds) then holds = reassert(q.contact, q.holds) end
  local engaged = {}
  if not given(q.snapshot) then
    finish(q.contact, q.node, q.epoch)
  else
    for i, op in ipairs(q.engages or {}) do engaged[i] = engage_step(q.contact, op) end
  end
  return { ok = true, agents = steps, channels = taken, holds = holds, engaged = engaged, gate = said,
    conference = gathered }
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
  if closed_until then signed_in = math.max(signed_in, 1) end     -- who is there is being found out
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
  local agent, lane
  if not closed_until then agent, lane = best_head(q.lanes, 'agents') end
  if agent then
    asker = q.contact
    local a = agent_of(agent)
    pair(a, q.contact, lane)
    return reservation(a, q.contact)
  end
  join_queue(q.contact, q.lanes, since)
  return waiting(q.contact, q.lanes)
end

-- what an agent asks for himself

local function conflict(a, message, code)        -- code: why, for programs
  return fail('conflict', { agent = view(a), message = message, code = code })
end

local function refresh_lanes(a, lanes)
  if not given(lanes) then return end
  local before, is_ready = table.concat(queues_of(a), ' '), a.state == 'ready'
  if is_ready then leave_line(a) end
  set_lanes(a, lanes)
  if table.concat(queues_of(a), ' ') ~= before then announce_agent(a, a.state) end
  if is_ready then pair_or_stand(a) end
end

local function sign_in(a, q)
  if not given(q.phone) then return fail('bad_request', { message = 'sign_in needs a phone' }) end
  if a.state ~= 'signed_out' then
    if a.phone == q.phone then return refresh_lanes(a, q.lanes) end
    if q.move ~= true or a.fence ~= '' then return conflict(a, 'already signed in at phone ' .. a.phone) end
  end
  local other = redis.call('HGET', K .. 'phone:' .. q.phone, 'agent')
  if other then return conflict(a, 'phone ' .. q.phone .. ' is used by agent ' .. other) end
  if a.state ~= 'signed_out' then sign_out(a) end       -- he moves
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

local function go(a, q, to)     -- what is answered if that cannot be; nil: it is done
  local reason = given(q.reason) and q.reason or ''
  local later = string.match(to, '^then:(.*)$')
  if q.op == 'wrap_up' then note_code(a, q.code) end
  if later then return ask_for_next(a, later, later == 'paused' and reason or '') end
  local is_over = a.state == 'wrap_up' and not redis.call('ZSCORE', K .. 'deadlines', 'wrap_up:' .. a.id)
  if to == 'stay' and is_over and a.code ~= '' then     -- it was all that he was waited for
    tidied(a)
    return become_ready(a)
  end
  if to == 'stay' then return refresh_lanes(a, q.lanes) end
  if to == a.state and a.reason == reason then return end
  if to ~= 'signed_out' and owes_code(a) then
    return conflict(a, 'agent ' .. a.id .. ' has not said what the call was about', 'code_required')
  end
  if a.state == 'wrap_up' then tidied(a) end
  if to == 'signed_out' then return sign_out(a) end
  -- ending his wrap-up is not taking back what he asked for during the call; saying "ready" or "pause" is
  if q.op ~= 'wrap_up' then note(a, { next = '', next_reason = '' }) end
  if to == 'paused' then return enter(a, 'paused', { reason = reason, line = '', no_answer = '' }) end
  if given(q.lanes) then set_lanes(a, q.lanes) end
  note(a, { no_answer = '' })
  become_ready(a)
end

-- agents whom the configuration does not know (any more), or has disabled: they shall get no call

local function is_disabled(id)
  local document = redis.call('HGET', K .. 'config:agents', id)
  return document and cjson.decode(document).enabled == false
end

local function is_nobody(id)
  if redis.call('EXISTS', K .. 'config:version') == 0 then return false end
  return redis.call('HEXISTS', K .. 'config:agents', id) == 0 or is_disabled(id)
end

local function agent(q)
  local a = agent_of(q.agent)
  local op = (q.op == 'wrap_up' and q.done == true) and 'wrap_up_done' or q.op
  local to = TABLE[a.state][op]
  if not to then return conflict(a, 'agent ' .. a.id .. ' is ' .. a.state .. ': ' .. op .. ' is not possible') end
  -- a pause that is to come would take the place of the end that awaits him
  if (op == 'sign_in' or op == 'ready' or op == 'pause') and is_disabled(a.id) then
    return conflict(a, 'agent ' .. a.id .. ' is disabled', 'agent_disabled')
  end
  if given(q.name) then note(a, { name = q.name }) end
  local refused
  if op == 'sign_in' then refused = sign_in(a, q) else refused = go(a, q, to) end
  return refused or { ok = true, agent = view(a) }
end

local function dismiss(a)       -- out, or when his call is over; whether that is new
  local before = a.state .. a.next
  go(a, { op = 'sign_out' }, TABLE[a.state].sign_out)
  return a.state .. a.next ~= before
end

local function dismiss_nobodies()
  local ids = redis.call('SMEMBERS', K .. 'agents')
  table.sort(ids)
  for _, id in ipairs(ids) do
    if is_nobody(id) then dismiss(agent_of(id)) end
  end
end

-- what the edge and the nodes publish

local function phone(q)
  local key = K .. 'phone:' .. q.phone
  if q.registered ~= true then
    redis.call('HSET', key, 'registered_until', '0')
    no_deadline('phone:' .. q.phone)
    phone_gone(q.phone, 'unregistered')
    return { ok = true }
  end
  local h = hash(key)
  redis.call('HSET', key, 'registered', '1', 'registered_until', text(now + q.expires_ms))
  if given(q.media) then redis.call('HSET', key, 'media', q.media) end
  deadline('phone:' .. q.phone, now + q.expires_ms)
  if h.registered ~= '1' then
    local data = { phone = q.phone, registered = true }
    if h.agent ~= '' then data.agent = h.agent end
    append('phone_changed', 'phone:' .. q.phone, data)
  end
  at_phone(h, q.phone, 'phone_up')
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

local function begin_day(start) -- as a node says, which knows the center's time zone; who stands in line has new figures
  if start <= day or start > now then return end
  day = start
  redis.call('HSET', K .. 'counters', 'day', text(day))
  stand_anew()
end

local function forget_node(id)  -- it is gone and owns nothing; its name is never used again
  redis.call('ZREM', K .. 'leases', id)
  redis.call('DEL', K .. 'lease:' .. id)
  redis.call('HDEL', K .. 'seq', 'node:' .. id)
  redis.call('PEXPIRE', K .. 'inbox:' .. id, LEASE_KEPT_MS)
end

local function forget_lapsed()
  local lapsed = redis.call('ZRANGEBYSCORE', K .. 'leases', '-inf', text(now - LEASE_KEPT_MS), 'LIMIT', 0, DUE_AT_ONCE)
  for _, id in ipairs(lapsed) do
    if redis.call('SCARD', K .. 'owned:' .. id) == 0 then forget_node(id) end
  end
end

local function let_recalled_go(contact)
  for name in pairs(hash(K .. 'contact:' .. contact)) do
    local id = string.match(name, '^with:(.*)$')
    if id then is_let_go(agent_of(id)) end
  end
end

-- A node has said again what each of its contacts holds. What Redis still has of it beside these is over: its owner knows
-- nothing of it, since it ended in a moment that Redis has lost.
local function asserted(q)
  if text(q.era) ~= era then return end
  for _, id in ipairs(redis.call('SMEMBERS', K .. 'owned:' .. q.id)) do
    local epoch, said = unpack(redis.call('HMGET', K .. 'contact:' .. id, 'epoch', 'era'))
    if said ~= era then
      let_recalled_go(id)
      finish(id, q.id, tonumber(epoch or '0'))
    end
  end
  for _, dead in ipairs(q.took or {}) do redis.call('HSETNX', K .. 'adopted', dead, q.id) end
  if redis.call('SREM', K .. 'awaited', q.id) == 1 and redis.call('SCARD', K .. 'awaited') == 0 and closed_until then
    set_closed_until(math.min(closed_until, now))
  end
end

local function is_word(e)       -- checked here, for when it is recalled whoever calls would pay for a mistake
  return type(e.agent) == 'string' and type(e.name) == 'string' and type(e.phone) == 'string' and TABLE[e.state]
    and type(e.since) == 'number' and type(e.seq) == 'number' and is_keys(e.lanes)
    and (e.phone ~= '' or e.state == 'signed_out')
end

local function remembered(q)    -- the last word of agents, until the era opens
  if text(q.era) ~= era or not closed_until then return end
  for _, e in ipairs(q.agents) do
    local known = object(redis.call('HGET', K .. 'recalled', e.agent) or '').seq or 0
    if is_word(e) and e.seq > known then
      redis.call('HSET', K .. 'recalled', e.agent, cjson.encode(e))
    end
  end
end

local function node(q)
  local who = 'node:' .. q.id
  if q.op == 'leave' then
    local expires = tonumber(redis.call('ZSCORE', K .. 'leases', q.id) or '0')
    local left = redis.call('SCARD', K .. 'owned:' .. q.id)
    if expires > 0 then append('node_left', who, { node = q.id, role = q.role, contacts = left }) end
    if left > 0 then
      redis.call('ZADD', K .. 'leases', 0, q.id)        -- its contacts wait for an adopter, who looks for lapsed leases
    else
      forget_node(q.id)
    end
    return { ok = true, now = now, config_version = version() }
  end
  if q.op == 'asserted' or q.op == 'remembered' then
    if q.op == 'asserted' then asserted(q) else remembered(q) end
    return { ok = true, now = now, config_version = version(), era = tonumber(era) }
  end
  local before = redis.call('GET', K .. 'lease:' .. q.id)
  if not before then append('node_started', who, { node = q.id, role = q.role, address = q.address }) end
  if q.draining == true and not (before and cjson.decode(before).draining) then
    append('node_draining', who, { node = q.id, role = q.role })
  end
  redis.call('SET', K .. 'lease:' .. q.id, cjson.encode({
    role = q.role, id = q.id, incarnation = q.incarnation, address = q.address, load = q.load,
    draining = q.draining == true,
  }))
  redis.call('ZADD', K .. 'leases', text(now + q.lease_ms), q.id)
  if given(q.day) then begin_day(q.day) end
  forget_lapsed()
  return {
    ok = true, now = now, numbers = math.max(now, floor), config_version = version(), era = tonumber(era),
    adopted_by = redis.call('HGET', K .. 'dead', q.id) or cjson.null,
  }
end

-- the edges read where requests for an incarnation go when it is gone; longer than any call
local function succeeds(heir, gone)
  redis.call('HSET', K .. 'adopted', gone, heir)
  redis.call('PEXPIRE', K .. 'adopted', ADOPTED_MS)
end

local function hand_over(q)     -- on purpose, to a node that lives; it finds the contact by the message in its inbox
  local key = K .. 'contact:' .. q.contact
  local held = redis.call('HMGET', key, 'owner', 'epoch')
  if not held[1] then return fail('gone') end
  if held[1] .. ' ' .. held[2] ~= q.node .. ' ' .. text(q.epoch) then
    return fail('superseded', { owner = held[1], epoch = tonumber(held[2]) })
  end
  local lease = object(redis.call('GET', K .. 'lease:' .. q.to) or '')
  local expires = tonumber(redis.call('ZSCORE', K .. 'leases', q.to) or '0')
  if expires <= now or lease.role ~= 'lq' or lease.draining or q.to == q.node then return fail('not_serving') end
  local epoch = q.epoch + 1
  redis.call('HSET', key, 'owner', q.to, 'epoch', text(epoch), 'era', era, 'doc', q.snapshot)
  redis.call('SMOVE', K .. 'owned:' .. q.node, K .. 'owned:' .. q.to, q.contact)
  redis.call('XADD', K .. 'inbox:' .. q.to, 'MAXLEN', '~', INBOX_LENGTH, '*', 'm',
    cjson.encode({ type = 'handed_over', contact = q.contact, from = q.node }))
  succeeds(q.to, q.node)
  return { ok = true, epoch = epoch }
end

local function order(q)         -- a message (JSON) for the contact's owner, or for a node; void after within_ms
  local node = given(q.node) and q.node or redis.call('HGET', K .. 'contact:' .. q.contact, 'owner')
  if not node then return fail('gone') end
  redis.call('XADD', K .. 'inbox:' .. node, 'MAXLEN', '~', INBOX_LENGTH, '*', 'm',
    string.sub(q.message, 1, -2) .. ',"expires_at":' .. text(now + q.within_ms) .. '}')
  return { ok = true }
end

local function adopt(q)
  local expires = tonumber(redis.call('ZSCORE', K .. 'leases', q.dead) or '0')
  if expires > now or q.dead == q.node then return fail('alive') end
  if now < (tonumber(redis.call('HGET', K .. 'counters', 'up_since')) or 0) + SETTLE_MS then return fail('alive') end
  local contacts = {}
  local ids = redis.call('SRANDMEMBER', K .. 'owned:' .. q.dead, ADOPT_AT_ONCE)
  for i, id in ipairs(ids) do
    local key = K .. 'contact:' .. id
    local epoch = redis.call('HINCRBY', key, 'epoch', 1)
    redis.call('HSET', key, 'owner', q.node, 'era', era)
    redis.call('SMOVE', K .. 'owned:' .. q.dead, K .. 'owned:' .. q.node, id)
    contacts[i] = { id, epoch, redis.call('HGET', key, 'doc') }
  end
  if #ids > 0 then append('node_adopted', 'node:' .. q.node, { node = q.node, dead = q.dead, contacts = #ids }) end
  succeeds(q.node, q.dead)
  redis.call('HSET', K .. 'dead', q.dead, q.node)       -- should it wake, it hears so
  redis.call('PEXPIRE', K .. 'dead', ADOPTED_MS)
  local left = redis.call('SCARD', K .. 'owned:' .. q.dead)
  if left == 0 then forget_node(q.dead) end
  return { ok = true, contacts = contacts, more = left > 0 }
end

-- What was left behind: lq/reconciler.py finds it, here it is looked at once more, and mended or left alone --------------

local function is_left_behind(a, older_ms)      -- by a contact that is over, or that knows nothing of him
  if a.contact == '' or a.fence == '' or not TABLE[a.state].release then return false end
  if redis.call('HGET', K .. 'contact:' .. a.contact, 'with:' .. a.id) == a.fence then return false end
  return now - (tonumber(a.since) or 0) >= older_ms
end

-- The books shall not wait for ever. If its owner has told its end, that counts: his numbers are lower (lq/ledger/fold.py).
local function tell_lost(contact)
  redis.call('XADD', K .. 'events', '*', 'v', '1', 'type', 'contact_ended', 'at', text(now), 'subject', contact,
    'seq', text(next_number()), 'data', cjson.encode({ result = 'failed', ended_by = 'system', cause = FAILURE }))
end

local MEND = {
  contact = function(id, q)     -- of a node whose lease nobody remembers, or with nothing that could be carried on
    local key = K .. 'contact:' .. id
    local c = redis.call('HMGET', key, 'owner', 'epoch', 'doc')
    if c[1] and redis.call('ZSCORE', K .. 'leases', c[1]) then return nil end  -- its node lives, or will be adopted
    if not c[1] or not c[3] then
      tell_lost(id)
      finish(id, c[1] or '', tonumber(c[2] or '0'))
      return {}
    end
    local epoch = redis.call('HINCRBY', key, 'epoch', 1)
    redis.call('HSET', key, 'owner', q.node, 'era', era)
    redis.call('SREM', K .. 'owned:' .. c[1], id)
    redis.call('SADD', K .. 'owned:' .. q.node, id)
    succeeds(q.node, c[1])
    return { epoch = epoch, snapshot = c[3] }
  end,
  agent = function(id, q)       -- bound to a contact that is over, or that knows nothing of him; or no agent (any more)
    local a = agent_of(id)
    local goes = is_nobody(id) and dismiss(a)
    if is_left_behind(a, q.older_ms) then
      release(a, 'caller_gone')
      return {}
    end
    return goes and {} or nil
  end,
  place = function(about)       -- "<lane> <contact>": in a line in which nobody waits
    local lane, contact = string.match(about, '^(.*) (%S+)$')
    if object(redis.call('HGET', K .. 'contact:' .. contact, 'lanes') or '')[lane] then return nil end
    redis.call('ZREM', lane_key(lane, 'since'), contact)
    touch(lane)
    return redis.call('ZREM', lane_key(lane, 'contacts'), contact) == 1 and {} or nil
  end,
  channel = function(about)     -- "<trunk> <contact>.<leg>": leased by nobody
    local trunk, contact, leg = string.match(about, '^(.*) ([^ .]+)%.(%d+)$')
    local number = redis.call('ZSCORE', channels_key(trunk), contact .. '.' .. leg)
    if not number or redis.call('HEXISTS', K .. 'contact:' .. contact, 'channel:' .. leg) == 1 then return nil end
    redis.call('ZREM', channels_key(trunk), contact .. '.' .. leg)
    append('channel_released', 'trunk:' .. trunk, {
      trunk = trunk, number = tonumber(number), contact = contact, leg = contact .. '.' .. leg,    -- in or out: who knows
      taken = redis.call('ZCARD', channels_key(trunk)),
    })
    return {}
  end,
  phone = function(ext)         -- said to be used by an agent who is elsewhere
    local agent = redis.call('HGET', K .. 'phone:' .. ext, 'agent')
    if not agent or redis.call('HGET', K .. 'agent:' .. agent, 'phone') == ext then return nil end
    redis.call('HDEL', K .. 'phone:' .. ext, 'agent')
    return {}
  end,
  call = function(about, q)     -- "<rtpengine> <contact>.<leg>", deleted by the node itself: of its own contact, or of none
    local contact = string.match(about, '^.* ([^ .]+)%.%d+$')
    local owner = contact and redis.call('HGET', K .. 'contact:' .. contact, 'owner')
    if owner and owner ~= q.node then return nil end
    return {}
  end,
  dialog = function() return {} end,    -- mended by the node itself: a dialog, a contact
  lost = function() return {} end,
}

local function mend(q)
  if closed_until then return fail('settling') end      -- after a loss the nodes say first what they hold
  if not MEND[q.what] then return fail('bad_request', { message = 'nothing known of ' .. tostring(q.what) }) end
  local done = MEND[q.what](q.about, q)
  if not done then return { ok = true, mended = false } end
  append('node_mended', 'node:' .. q.node, { node = q.node, what = q.what, about = q.about })
  return { ok = true, mended = true, epoch = done.epoch, snapshot = done.snapshot }
end

local function publish(q)
  if q.version <= version() then return fail('stale', { version = version() }) end
  for kind, documents in pairs(q.kinds) do
    local key = K .. 'config:' .. kind
    redis.call('DEL', key)
    for id, document in pairs(documents) do redis.call('HSET', key, id, document) end
  end
  redis.call('SET', K .. 'config:version', text(q.version))
  if q.kinds.agents then dismiss_nobodies() end
  return { ok = true }
end

-- Entries of lists: PostgreSQL has them all, numbered in the order in which they changed; here stands up to which change
-- they are known (counter `lists`), so that a Redis that has lost something is told again from there.
local function clear_lists()    -- bucket by bucket; more: call again
  local list = redis.call('SRANDMEMBER', K .. 'lists')
  redis.call('HSET', K .. 'counters', 'lists', '0')
  if not list then return { ok = true, more = false } end
  local start = tonumber(redis.call('HGET', K .. 'counters', 'clearing') or '0')
  for n = start, start + BUCKETS_AT_ONCE - 1 do
    redis.call('UNLINK', K .. 'list:' .. list .. ':' .. string.format('%04d', n))
  end
  redis.call('HSET', K .. 'counters', 'clearing', text(start + BUCKETS_AT_ONCE))
  if start + BUCKETS_AT_ONCE >= 10000 then
    redis.call('UNLINK', K .. 'list:' .. list .. ':prefixes')
    redis.call('SREM', K .. 'lists', list)
    redis.call('HDEL', K .. 'counters', 'clearing')
  end
  return { ok = true, more = true }
end

local function list(q)
  if q.clear == true then return clear_lists() end
  local stands = tonumber(redis.call('HGET', K .. 'counters', 'lists') or '0')
  if stands ~= q.first then return fail('stale', { version = stands }) end
  for _, entry in ipairs(q.entries) do
    if type(entry[1]) ~= 'string' or type(entry[2]) ~= 'string' or type(entry[3]) ~= 'number' then
      return fail('bad_request', { message = 'an entry is [list, number, expires, gone]' })
    end
  end
  for _, entry in ipairs(q.entries) do
    local name, number, expires, gone = unpack(entry)
    if gone == true then
      redis.call('HDEL', list_key(name, number), number)
    else
      redis.call('SADD', K .. 'lists', name)
      redis.call('HSET', list_key(name, number), number, text(expires))
    end
  end
  redis.call('HSET', K .. 'counters', 'lists', text(q.last))
  return { ok = true }
end

-- eras ----------------------------------------------------------------------------------------------------------------
-- A Redis that was restarted, or that was a replica until now, may lack what was written last; one that was silent could
-- not be told. Either way a new era begins: nodes see its number and say again what they hold, and until all have done so,
-- or CLOSED_MS have passed, nobody is paired. A Redis that starts empty cannot tell its first day from the loss of
-- everything, so it waits too.

local function await_nodes(last, until_at)
  redis.call('DEL', K .. 'awaited')
  for _, id in ipairs(redis.call('ZRANGEBYSCORE', K .. 'leases', '(' .. text(last), until_at)) do
    local lease = redis.call('GET', K .. 'lease:' .. id)
    if lease and cjson.decode(lease).role == 'lq' then redis.call('SADD', K .. 'awaited', id) end
  end
  return redis.call('SCARD', K .. 'awaited') > 0
end

local function begin_era()
  era = text(next_number(era))
  redis.call('HSET', K .. 'counters', 'era', era)
  set_closed_until(now + CLOSED_MS)
end

local function set_floor(at)
  floor = at
  redis.call('HSET', K .. 'counters', 'floor', text(at))
end

-- The clock was set back: all that is due moves with it, or would be due later by as much. Numbers go on from where they
-- are. Nothing is forgotten, yet an era begins: what nodes have written of their dialogs counts by the clock of before.
local function set_back(kept, by)
  set_floor(math.max(floor, now))
  now = now - by
  local function moved(key, tell)
    local all = redis.call('ZRANGE', K .. key, 0, -1, 'WITHSCORES')
    for i = 1, #all, 2 do
      local at = tonumber(all[i + 1])
      if at > 0 then                    -- 0: of a node that has left
        redis.call('ZADD', K .. key, text(at - by), all[i])
        if tell then tell(all[i], at - by) end
      end
    end
  end
  moved('leases')
  moved('deadlines', function(name, at)
    local ext = string.match(name, '^phone:(.*)$')
    if ext then redis.call('HSET', K .. 'phone:' .. ext, 'registered_until', text(at)) end
  end)
  for _, id in ipairs(redis.call('SMEMBERS', K .. 'agents')) do
    local since = tonumber(redis.call('HGET', K .. 'agent:' .. id, 'since'))
    if since then redis.call('HSET', K .. 'agent:' .. id, 'since', text(since - by)) end
  end
  for _, name in ipairs({ 'closed_until', 'up_since' }) do
    local at = tonumber(kept[name])
    if at then
      kept[name] = text(at - by)
      redis.call('HSET', K .. 'counters', name, kept[name])
    end
  end
  kept.now = text(now)
  if day > now then             -- a node says it again
    day = 0
    redis.call('HDEL', K .. 'counters', 'day')
    stand_anew()
  end
end

local function look_at_era(kept, wall, is_test, is_set_back)
  local last = tonumber(kept.now) or 0
  era, closed_until = kept.era, tonumber(kept.closed_until)
  run = run or string.match(redis.call('INFO', 'server'), 'run_id:(%x+)')
  if kept.run ~= run then
    redis.call('HSET', K .. 'counters', 'run', run, 'up_since', text(now))
    if floor > now then set_floor(floor + NUMBERS_AHEAD) end    -- the last numbers may be lost, and time does not make up for it
    await_nodes(last, '+inf')
    begin_era()
  elseif is_set_back then
    if await_nodes(last, '+inf') then begin_era() end
  elseif not is_test and wall - (tonumber(kept.wall) or wall) > LEASE_MS and await_nodes(last, text(last + LEASE_MS)) then
    begin_era()
  end
end

local RECALL = {        -- an agent whose last word Redis has lost, by the state that he was in
  signed_out = function() end,          -- his desk is clear
  paused = function(a, e)
    enter(a, 'paused', { reason = given(e.reason) and e.reason or '', since = text(e.since), line = '' }, true)
  end,
  wrap_up = function(a, e)
    enter(a, 'wrap_up', { contact = given(e.contact) and e.contact or '', since = text(e.since) }, true)
    deadline('wrap_up:' .. a.id, now + RECALLED_WRAP_UP_MS)
  end,
  busy_other = function(a, e)
    enter(a, 'busy_other', { since = text(e.since), line = '' }, true)
    deadline('back:' .. a.id, now + OUTCOMES.busy.back_ms)
  end,
  phone_offline = function(a, e)
    enter(a, 'phone_offline', { since = text(e.since), line = '' }, true)
    if registered(a.phone) then deadline('back:' .. a.id, now + OUTCOMES.unreachable.back_ms) end
  end,
  ready = function(a, e)
    enter(a, 'ready', { line = text(e.since), since = text(e.since) }, true)
    stand_in_line(a)
  end,
}

local function is_news(e, a) return e.seq > last_said(a.id) and a.fence == '' end

local function clear_desk(e)            -- first of all agents: the phone that one has left another has taken
  local a = agent_of(e.agent)
  if is_news(e, a) and a.state ~= 'signed_out' and (e.state == 'signed_out' or a.phone ~= e.phone) then
    note(a, { contact = '' })
    sign_out(a, true)
  end
end

local function take_lanes(a, lanes)      -- what he serves may have changed without a word
  if a.state == 'ready' then leave_line(a) end
  set_lanes(a, lanes)
  if a.state == 'ready' then stand_in_line(a) end
end

local function recall(e)
  local a = agent_of(e.agent)
  if e.seq >= last_said(a.id) and a.state ~= 'signed_out' then take_lanes(a, e.lanes) end
  if not is_news(e, a) then return end
  if e.state ~= 'signed_out' and a.state == 'signed_out' then
    if redis.call('HGET', K .. 'phone:' .. e.phone, 'agent') then return end
    redis.call('SADD', K .. 'agents', a.id)
    redis.call('HSET', K .. 'phone:' .. e.phone, 'agent', a.id)
    note(a, { phone = e.phone, name = e.name })
    set_lanes(a, e.lanes)
    for lane in pairs(e.lanes) do touch(lane) end
  end
  redis.call('HSET', K .. 'seq', 'agent:' .. a.id, text(e.seq))
  tidied(a)                     -- what he owed is forgotten
  note(a, { next = given(e.next) and e.next or '', next_reason = '', left = '', wrapped = '', owed = '' })
  if RECALL[e.state] then
    if a.state == 'ready' then leave_line(a) end
    RECALL[e.state](a, e)
  else
    -- he was with a contact that nobody holds: its node is dead, or frozen and may yet say so; his phone is not free
    a.state, a.since = e.state, text(e.since)   -- so the event says what he comes from, and his talk is counted
    enter(a, 'busy_other', { line = '' })
    deadline('back:' .. a.id, now + (e.state == 'talking' and RECALLED_TALK_MS or OUTCOMES.busy.back_ms))
  end
end

local function recall_all()
  local entries = redis.call('HGETALL', K .. 'recalled')
  redis.call('DEL', K .. 'recalled')
  local ids, by_id = {}, {}
  for i = 1, #entries, 2 do
    ids[#ids + 1] = entries[i]
    by_id[entries[i]] = cjson.decode(entries[i + 1])
  end
  table.sort(ids)
  for _, id in ipairs(ids) do clear_desk(by_id[id]) end
  for _, id in ipairs(ids) do recall(by_id[id]) end
  local phones = redis.call('SMEMBERS', K .. 'phones_said')
  redis.call('DEL', K .. 'phones_said')
  table.sort(phones)
  for _, ext in ipairs(phones) do
    at_phone(hash(K .. 'phone:' .. ext), ext, registered(ext) and 'phone_up' or 'phone_down')
  end
end

local function fit_lanes(lanes)         -- those where somebody waits and somebody is ready
  for lane in pairs(lanes) do
    if redis.call('ZCARD', lane_key(lane, 'agents')) == 0 or redis.call('ZCARD', lane_key(lane, 'contacts')) == 0 then
      lanes[lane] = nil
    end
  end
  return lanes
end

local function leave_strange_places(contact, lanes)  -- where it does not wait: nobody could be paired there
  local own = object(redis.call('HGET', K .. 'contact:' .. contact, 'lanes') or '')
  for lane in pairs(lanes) do
    if not own[lane] then
      redis.call('ZREM', lane_key(lane, 'contacts'), contact)
      redis.call('ZREM', lane_key(lane, 'since'), contact)
      touch(lane)
    end
  end
end

local function match_again()    -- whoever is first in any line gets his best agent; at most PAIRS_AT_ONCE a call
  local lanes = {}
  for _, lane in ipairs(redis.call('SMEMBERS', K .. 'unmatched')) do lanes[lane] = true end
  for _ = 1, PAIRS_AT_ONCE do
    local contact = best_head(fit_lanes(lanes), 'contacts')
    if not contact then
      redis.call('DEL', K .. 'unmatched')
      return set_closed_until(nil)
    end
    local agent, lane = best_head(object(redis.call('HGET', K .. 'contact:' .. contact, 'lanes') or ''), 'agents')
    if agent then pair(agent_of(agent), contact, lane) else leave_strange_places(contact, lanes) end
  end
end

local function reopen()
  if not closed_until or now < closed_until then return end
  recall_all()
  match_again()
end

local function open(keys, request)
  K, asker, touched = keys[1] .. ':', nil, {}
  local t = redis.call('TIME')
  local wall, kept = t[1] * 1000 + math.floor(t[2] / 1000), hash(K .. 'counters')
  local clock, seen = tonumber(request.now) or wall, tonumber(request.seen) or 0
  floor, now = tonumber(kept.floor) or 0, math.max(tonumber(kept.now) or 0, clock)
  day = tonumber(kept.day) or 0
  local is_set_back = now - clock > LEASE_MS    -- by less it is waited for
  if is_set_back then set_back(kept, now - clock) end
  -- `seen`: how far numbers were when a node was told, perhaps by a Redis whose numbers this one has lost
  if seen > math.max(now, floor) then set_floor(seen + NUMBERS_AHEAD) end
  redis.call('HSET', K .. 'counters', 'now', text(now), 'wall', text(wall))
  look_at_era(kept, wall, request.now ~= nil, is_set_back)
  reopen()
  return run_due()
end

local function answered(fn, fields)
  return function(keys, args)
    local request = cjson.decode(args[1])
    local wrong = misshapen(request, fields)
    if wrong then return cjson.encode(fail('bad_request', { message = wrong })) end
    open(keys, request)
    local answer = fn(request)
    reopen()
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
local TEXT, NUMBER, TABLE_, LANES, KEYS_ = 'string', 'number', 'table', 'lanes', 'keys'
redis.register_function('commit', answered(commit, { contact = TEXT, node = TEXT, epoch = NUMBER }))
redis.register_function('ask', answered(ask, { contact = TEXT, lanes = LANES, lease_ms = NUMBER }))
redis.register_function('agent', answered(agent, { agent = TEXT, op = TEXT, ['lanes?'] = KEYS_ }))
redis.register_function('phone', answered(phone, { phone = TEXT, ['expires_ms?'] = NUMBER }))
redis.register_function('trunk', answered(trunk, { trunk = TEXT }))
redis.register_function('node', answered(node, {
  op = TEXT, id = TEXT, ['lease_ms?'] = NUMBER, ['agents?'] = TABLE_, ['day?'] = NUMBER,
}))
redis.register_function('adopt', answered(adopt, { node = TEXT, dead = TEXT }))
redis.register_function('hand_over', answered(hand_over, {
  contact = TEXT, node = TEXT, to = TEXT, epoch = NUMBER, snapshot = TEXT,
}))
redis.register_function('order', answered(order, { contact = TEXT, message = TEXT, within_ms = NUMBER }))
redis.register_function('mend', answered(mend, {}))
redis.register_function('publish', answered(publish, { version = NUMBER, kinds = TABLE_ }))
redis.register_function('list', answered(list, { first = NUMBER, last = NUMBER, ['entries?'] = TABLE_ }))
redis.register_function { function_name = 'tick', callback = tick, description = 'lcall ' .. VERSION }
