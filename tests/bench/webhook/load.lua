-- Requests that are rendered and signed already: only two pieces differ, and are cut out of one long text.
-- Past its time a connection says nothing more and its last answer is waited for: every request that was sent is
-- answered, so that the events in the database can be compared with the answers to the last one.
local ffi = require("ffi")
ffi.cdef [[
    typedef struct { long seconds; long nanos; } autopilot_time;
    int clock_gettime(int clock, autopilot_time *time);
]]
local time = ffi.new("autopilot_time")

local function now()
    ffi.C.clock_gettime(1, time)
    return tonumber(time.seconds) + tonumber(time.nanos) / 1e9
end

local function read(path)
    local file = assert(io.open(path, "rb"))
    local text = file:read("*a")
    file:close()
    return text
end

local ID, SIGNATURE = 24, 64
local threads = {}

function setup(thread)
    threads[#threads + 1] = thread
end

function init(args)
    before, between, after = read(args[1] .. "/before"), read(args[1] .. "/between"), read(args[1] .. "/after")
    signed, at, ran_out = read(args[1] .. "/signed"), 1, false
    seconds, ends = tonumber(args[2]), nil
end

function request()
    local this = now()
    -- The first is only looked at: nothing has been sent yet.
    ends = ends or this + seconds
    if this > ends then
        return ""
    end
    local id = at + SIGNATURE
    local next = id + ID
    if next > #signed + 1 then
        ran_out = true
        return ""
    end
    local text = before .. signed:sub(at, id - 1) .. between .. signed:sub(id, next - 1) .. after
    at = next
    return text
end

function done(summary, latency)
    local errors = summary.errors
    io.write(string.format(
        '{"answers": %d, "refused": %d, "broken": %d, "ran_out": %s, "p50_us": %.1f, "p99_us": %.1f}\n',
        summary.requests, errors.status, errors.connect + errors.read + errors.write + errors.timeout,
        tostring(threads[1]:get("ran_out")), latency:percentile(50), latency:percentile(99)))
end
