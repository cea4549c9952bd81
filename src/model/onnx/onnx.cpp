#include "model/onnx/onnx.h"

#include <dlfcn.h>
#include <onnxruntime_c_api.h>

#include <filesystem>
#include <utility>

#include "model/affinity.h"
#include "model/onnx/session.h"
#include "model/onnx/watcher.h"

namespace tidegate::model {
namespace {

using onnx::CancelWatcher;
using onnx::OnnxSession;
using onnx::Runtime;

// The driver's own library, asked directly: the runtime would only fail at the first load, and not say which part is missing.
Result<int> count_gpus() {
    void* const driver = dlopen("libcuda.so.1", RTLD_NOW | RTLD_LOCAL);
    if (driver == nullptr) return fail(ErrorCode::kUnavailable, "no CUDA driver (libcuda.so.1) on this machine");
    const auto initialise = reinterpret_cast<int (*)(unsigned)>(dlsym(driver, "cuInit"));
    const auto count = reinterpret_cast<int (*)(int*)>(dlsym(driver, "cuDeviceGetCount"));
    int gpus = 0;
    if (initialise == nullptr || count == nullptr || initialise(0) != 0 || count(&gpus) != 0 || gpus <= 0) {
        return fail(ErrorCode::kUnavailable, "the CUDA driver sees no GPU");
    }
    return gpus;
}

bool has_provider(const OrtApi& api, std::string_view name) {
    char** names = nullptr;
    int count = 0;
    if (!onnx::check(api, api.GetAvailableProviders(&names, &count), ErrorCode::kInternal, "providers")) return false;
    bool found = false;
    for (int i = 0; i < count; ++i) found = found || name == names[i];
    const onnx::Outcome released = onnx::outcome(api, api.ReleaseAvailableProviders(names, count));
    return found && !released.failed;
}

class OnnxBackend final : public Backend {
  public:
    explicit OnnxBackend(const Runtime& runtime)
        : runtime_(runtime), watcher_(CancelWatcher::make([api = runtime.api](void* run) {
              // Sets a flag; the call cannot fail for options that live.
              static_cast<void>(onnx::outcome(*api, api->RunOptionsSetTerminate(static_cast<OrtRunOptions*>(run))));
          })) {}

    std::string name() const override { return "onnxruntime"; }
    std::string version() const override { return runtime_.version; }

    Result<void> offers(Device device, int index) const override {
        if (device == Device::kCpu) return {};
        if (!has_provider(*runtime_.api, "CUDAExecutionProvider")) {
            return fail(ErrorCode::kUnavailable, "this ONNX Runtime is built without CUDA");
        }
        namespace fs = std::filesystem;
        std::error_code ignored;
        const fs::path beside = fs::path(runtime_.path).parent_path() / "libonnxruntime_providers_cuda.so";
        if (!fs::exists(beside, ignored)) {
            return fail(ErrorCode::kUnavailable,
                        "libonnxruntime_providers_cuda.so does not lie beside ONNX Runtime's library");
        }
        TG_TRY(const int gpus, count_gpus());
        if (index < 0 || index >= gpus) {
            return fail(ErrorCode::kUnavailable,
                        "there are " + std::to_string(gpus) + " GPUs, and none with number " + std::to_string(index));
        }
        return {};
    }

    Result<std::unique_ptr<Session>> load(std::span<const std::byte> bytes, const SessionOptions& options) override {
        TG_CHECK(offers(options.device, options.device_index));
        TG_TRY(auto session, OnnxSession::load(runtime_, watcher_, bytes, options));
        return std::unique_ptr<Session>(std::move(session));
    }

  private:
    const Runtime& runtime_;
    const std::shared_ptr<CancelWatcher> watcher_;
};

}  // namespace

Result<std::unique_ptr<Backend>> open_onnx(const std::string& library) {
    std::string found = library;
    if (found.empty()) {
        std::error_code ignored;
        const auto program = std::filesystem::read_symlink("/proc/self/exe", ignored);
        for (const std::string& place : onnx_library_places(program.string())) {
            found = place;
            // The last is a bare name, for the loader to find.
            if (std::filesystem::exists(place, ignored)) break;
        }
    }
    TG_TRY(const Runtime* const runtime, onnx::open_runtime(found));
    return std::make_unique<OnnxBackend>(*runtime);
}

}  // namespace tidegate::model
