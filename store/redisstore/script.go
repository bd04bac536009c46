package redisstore

import "github.com/redis/rueidis"

// The operations and replies of writeScript.
const (
	opSet  = "set"
	opSwap = "swap"

	replyDone   = 1
	replyOther  = 0 // there is another value
	replyAbsent = -1

	maxWriteTries = 4
)

// luaTime defines the server's clock in seconds and microseconds.
const luaTime = `
local t = redis.call('TIME')
local seconds, micros = tonumber(t[1]), t[1] * 1000000 + t[2]
`

// luaCovered defines how a covered-until time is written into a head and read.
// Lua compares texts by the server's locale, so only numbers are compared.
const luaCovered = `
local function text(n)
	local s = ''
	for i = 1, 5 do
		s = string.char(n % 256) .. s
		n = math.floor(n / 256)
	end
	return s
end
local function number(s)
	local n = 0
	for i = 1, #s do
		n = n * 256 + string.byte(s, i)
	end
	return n
end
`

// luaIndex lists a key (ARGV[1]) in an index (KEYS[1]) that lives for at least
// ARGV[2] milliseconds from now, and gives in "covered" until when it lives for
// certain. An index is never made to end earlier. The score of a key is when it
// was listed, so that whoever removes it can tell that it still is the listing
// which was read.
const luaIndex = `
redis.call('ZADD', KEYS[1], string.format('%.0f', micros), ARGV[1])
local left = redis.call('PTTL', KEYS[1])
if left < tonumber(ARGV[2]) then
	left = tonumber(ARGV[2])
	redis.call('PEXPIRE', KEYS[1], ARGV[2])
end
local covered = text(seconds + math.floor(left / 1000))
`

// indexScript is luaIndex alone, for a server where the entry is elsewhere. It
// returns the covered-until time and how many keys are listed.
var indexScript = rueidis.NewLuaScript(luaTime + luaCovered + luaIndex + `
return {covered, redis.call('ZCARD', KEYS[1])}
`)

// addScript lists a key and writes its entry (KEYS[2]: head ARGV[3], value
// ARGV[4], milliseconds ARGV[5]) if there is none. It returns how many keys are
// listed, or 0 where there is an entry.
var addScript = rueidis.NewLuaScript(`
if redis.call('EXISTS', KEYS[2]) == 1 then
	return 0
end
` + luaTime + luaCovered + luaIndex + `
redis.call('SET', KEYS[2], ARGV[3] .. covered .. ARGV[4], 'PX', ARGV[5])
return redis.call('ZCARD', KEYS[1])
`)

// luaPrimary is a write that changes nothing, where KEYS[1] is absent. A server
// that does not accept writes, such as one that used to be the primary and may know
// little of what has happened since, fails there instead of saying "absent".
const luaPrimary = `redis.call('DEL', KEYS[1])`

// luaRead is GET whose miss is certain.
const luaRead = `
local raw = redis.call('GET', KEYS[1])
if not raw then
	` + luaPrimary + `
end
return raw
`

// readEachScript is for ExecMulti, which would ask every node first whether it has
// the script.
var (
	readScript     = rueidis.NewLuaScript(luaRead)
	readEachScript = rueidis.NewLuaScriptNoSha(luaRead)
)

// listScript returns the keys of an index with their scores, and fails where a key
// may be lacking. No key is empty, so its ZREM changes nothing.
var listScript = rueidis.NewLuaScript(`
redis.call('ZREM', KEYS[1], '')
return redis.call('ZRANGE', KEYS[1], 0, -1, 'WITHSCORES')
`)

// writeScript sets or swaps the value of KEYS[1] to ARGV[2] for ARGV[1]
// milliseconds; ARGV[3] says which, ARGV[4] is the value to swap. The owner stays.
// Where the entry would live longer than its index, nothing is written and the
// owner's id returned, so that the caller makes the index live longer and comes
// again with the owner (ARGV[5]) and the new covered-until time (ARGV[6]).
//
// A minute is what the clocks of two nodes may differ by.
var writeScript = rueidis.NewLuaScript(luaTime + luaCovered + `
local raw = redis.call('GET', KEYS[1])
local head, owner = '\1', nil
if raw then
	if string.sub(raw, 1, 1) == '\2' and #raw >= 22 then
		head, owner = string.sub(raw, 1, 22), string.sub(raw, 2, 17)
	elseif string.sub(raw, 1, 1) ~= '\1' then
		return redis.error_reply('ERR unreadable entry')
	end
end
if ARGV[3] == 'swap' then
	if not raw then
` + luaPrimary + `
		return -1
	end
	if string.sub(raw, #head + 1) ~= ARGV[4] then
		return 0
	end
end
if owner then
	local covered = number(string.sub(head, 18))
	if owner == ARGV[5] then
		covered = math.max(covered, number(ARGV[6]))
	elseif seconds + math.ceil(ARGV[1] / 1000) + 60 > covered then
		return owner
	end
	head = '\2' .. owner .. text(covered)
end
redis.call('SET', KEYS[1], head .. ARGV[2], 'PX', ARGV[1])
return 1
`)

// deleteOwnedScript deletes KEYS[1] if its owner is ARGV[1], and returns 1 if it
// was there and is not any more, 0 if it was not there, 2 if it is another's.
var deleteOwnedScript = rueidis.NewLuaScriptNoSha(`
local raw = redis.call('GET', KEYS[1])
if not raw then
	return ` + luaPrimary + `
end
if string.sub(raw, 1, 1) ~= '\2' or string.sub(raw, 2, 17) ~= ARGV[1] then
	return 2
end
return redis.call('DEL', KEYS[1])
`)

// unlistScript removes keys from the index KEYS[1]: for each of them ARGV holds
// the key, its score as it was read, and for how many microseconds it must have
// been listed.
var unlistScript = rueidis.NewLuaScript(luaTime + `
local removed = 0
for i = 1, #ARGV, 3 do
	local score = redis.call('ZSCORE', KEYS[1], ARGV[i])
	if score and tonumber(score) == tonumber(ARGV[i + 1]) and micros - score >= tonumber(ARGV[i + 2]) then
		removed = removed + redis.call('ZREM', KEYS[1], ARGV[i])
	end
end
return removed
`)
