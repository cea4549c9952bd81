// Device: where models run, decided once at start from what was asked and what is there.
//
// Guarantee   `cuda` is never quietly answered with the processor: it is an error with its reason. `auto` may take the processor,
//             and says so in `note`.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "model/backend.h"

namespace tidegate::model {

struct DeviceDecision {
    Device device = Device::kCpu;
    std::string note;  // A line for the log; empty when there is nothing to say.
};

/// `asked` is `cpu`, `cuda` or `auto`. kUnavailable: cuda was asked for and cannot be used here, and why; kInvalidArgument: another
/// word.
Result<DeviceDecision> decide_device(const Backend& backend, std::string_view asked, int index);

}  // namespace tidegate::model
