#include "model/device.h"

namespace tidegate::model {

std::string_view to_string(Device device) noexcept {
    return device == Device::kCuda ? "cuda" : "cpu";
}

Result<DeviceDecision> decide_device(const Backend& backend, std::string_view asked, int index) {
    if (asked == "cpu") return DeviceDecision{};
    if (asked != "cuda" && asked != "auto") {
        return fail(ErrorCode::kInvalidArgument, "a device is cpu, cuda or auto, not " + std::string(asked));
    }
    const auto offered = backend.offers(Device::kCuda, index);
    if (offered) return DeviceDecision{.device = Device::kCuda, .note = "models run on cuda:" + std::to_string(index)};
    if (asked == "cuda") {
        return fail(ErrorCode::kUnavailable, "device cuda:" + std::to_string(index) + ": " + offered.error().message);
    }
    return DeviceDecision{.device = Device::kCpu, .note = "models run on the processor: " + offered.error().message};
}

}  // namespace tidegate::model
