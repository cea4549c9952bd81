// Runtime: the loaded library, its one environment, and the handles that release what it makes.
//
// Memory      One for the process, made by the first open and never ended: the library keeps threads and statics of its own, which an
//             unload would pull the code from under.
// Threads     After open_runtime() every member is read only.
#pragma once

#include <memory>
#include <string>

#include "base/result.h"

// The library's types, so that its header stays in the sources.
struct OrtApi;
struct OrtEnv;
struct OrtMemoryInfo;
struct OrtModelMetadata;
struct OrtRunOptions;
struct OrtSession;
struct OrtSessionOptions;
struct OrtStatus;
struct OrtTensorTypeAndShapeInfo;
struct OrtTypeInfo;
struct OrtValue;
struct OrtCUDAProviderOptionsV2;

namespace tidegate::model::onnx {

struct Runtime {
    const OrtApi* api = nullptr;
    OrtEnv* env = nullptr;
    const OrtMemoryInfo* cpu = nullptr;
    std::string version;  // As the library states it.
    std::string path;     // Where it was found, as the loader has it.
};

/// The process' runtime. `library` is a path or a bare name for the loader. kUnavailable: it cannot be loaded, it is older than the
/// headers of this build, or another library is loaded already.
Result<const Runtime*> open_runtime(const std::string& library);

struct Release {
    const OrtApi* api = nullptr;
    void operator()(OrtSession* it) const noexcept;
    void operator()(OrtSessionOptions* it) const noexcept;
    void operator()(OrtRunOptions* it) const noexcept;
    void operator()(OrtValue* it) const noexcept;
    void operator()(OrtTypeInfo* it) const noexcept;
    void operator()(OrtTensorTypeAndShapeInfo* it) const noexcept;
    void operator()(OrtCUDAProviderOptionsV2* it) const noexcept;
};

template <class T>
using Handle = std::unique_ptr<T, Release>;

/// What a call of the library said, taken off it.
struct Outcome {
    bool failed = false;
    bool bad_argument = false;  // The library's own code: what it was given is not what an operator or a call takes.
    std::string words;          // Printable, at most 400 bytes.
};
Outcome outcome(const OrtApi& api, OrtStatus* status);

/// An Error with the code given and `what`, then the library's words; nothing when it succeeded.
Result<void> check(const OrtApi& api, OrtStatus* status, ErrorCode code, const char* what);

}  // namespace tidegate::model::onnx
