-- SPDX-License-Identifier: Apache-2.0
-- The worth of a trade, and its size class. A large trade goes out twice: as it is, and once more as an
-- alert. Used as
--     transform:
--       - script: {path: examples/operators/notional.lua}

reads = {"price", "quantity"}                      -- works on the schemas that have both
fields = {notional = "decimal(2)", alert = "bool", size = "char[8]"}

local LARGE = 1000000

function apply(record, emit)
    if record.quantity == 0 then
        return                                     -- emits nothing: the record is filtered
    end
    local notional = record.price * record.quantity
    record.notional = notional
    record.size = notional >= LARGE and "large" or "small"
    record.alert = false
    emit(record)
    if notional >= LARGE then
        record.alert = true
        emit(record)
    end
end
