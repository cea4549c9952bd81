#include "model/onnx/session_options.h"

#include <onnxruntime_c_api.h>
#include <onnxruntime_session_options_config_keys.h>

#include <array>
#include <string>
#include <thread>

#include "model/affinity.h"

namespace tidegate::model::onnx {
namespace {

constexpr const char* kRefused = "ONNX Runtime refuses an option";

// The runtime's own threads: pinned as the session's callers are, and allocating on its account.
OrtCustomThreadHandle create_thread(void* maker, OrtThreadWorkerFn work, void* parameter) {
    const auto* const options = static_cast<const OnnxSession::ThreadMaker*>(maker);
    try {
        auto thread = std::make_unique<std::thread>([options, work, parameter] {
            // The set was tried when the session was loaded; a processor that went away since leaves the thread unpinned.
            static_cast<void>(pin_thread(options->cpus));
            const MemoryScope scope(options->account);
            work(parameter);
        });
        return reinterpret_cast<OrtCustomThreadHandle>(thread.release());
    } catch (const std::exception&) {
        return nullptr;  // The library then fails the load.
    }
}

void join_thread(OrtCustomThreadHandle handle) {
    auto* const raw = const_cast<OrtCustomHandleType*>(handle);
    const std::unique_ptr<std::thread> thread(reinterpret_cast<std::thread*>(raw));
    thread->join();
}

struct Words {
    GraphOptimizationLevel level = ORT_ENABLE_ALL;
    bool pattern = true;
    bool spins = false;
};

Result<Words> read_words(const SessionOptions& options, const ModelFacts& facts) {
    Words words;
    // A pattern of the memory is kept for every shape that occurs: with free dimensions that has no bound.
    words.pattern = !facts.has_free_dimension;
    for (const auto& [name, value] : options.more) {
        if (name == "graph_optimization_level" && value == "disable") {
            words.level = ORT_DISABLE_ALL;
        } else if (name == "graph_optimization_level" && value == "basic") {
            words.level = ORT_ENABLE_BASIC;
        } else if (name == "graph_optimization_level" && value == "extended") {
            words.level = ORT_ENABLE_EXTENDED;
        } else if (name == "graph_optimization_level" && value == "all") {
            words.level = ORT_ENABLE_ALL;
        } else if (name == "enable_mem_pattern" && (value == "0" || value == "1")) {
            words.pattern = value == "1";
        } else if (name == "allow_spinning" && (value == "0" || value == "1")) {
            words.spins = value == "1";
        } else {
            return fail(ErrorCode::kInvalidArgument,
                        name + ": " + value +
                            " is not an option of this runtime; there are graph_optimization_level "
                            "(disable, basic, extended, all), enable_mem_pattern (0, 1) and allow_spinning (0, 1)");
        }
    }
    return words;
}

Result<void> add_cuda(const OrtApi& api, OrtSessionOptions* made, const SessionOptions& options) {
    OrtCUDAProviderOptionsV2* raw = nullptr;
    TG_CHECK(check(api, api.CreateCUDAProviderOptions(&raw), ErrorCode::kUnavailable, "CUDA"));
    const Handle<OrtCUDAProviderOptionsV2> cuda(raw, Release{&api});
    const std::string index = std::to_string(options.device_index);
    const std::string limit = std::to_string(options.arena_bytes_max);
    std::vector<const char*> keys{"device_id", "arena_extend_strategy"};
    // As much as is asked for: the default doubles, which a bound would cut short.
    std::vector<const char*> values{index.c_str(), "kSameAsRequested"};
    if (options.arena_bytes_max > 0) {
        keys.push_back("gpu_mem_limit");
        values.push_back(limit.c_str());
    }
    TG_CHECK(check(api, api.UpdateCUDAProviderOptions(cuda.get(), keys.data(), values.data(), keys.size()),
                   ErrorCode::kUnavailable, "CUDA"));
    return check(api, api.SessionOptionsAppendExecutionProvider_CUDA_V2(made, cuda.get()), ErrorCode::kUnavailable,
                 "CUDA");
}

}  // namespace

Result<Handle<OrtSessionOptions>> make_session_options(const Runtime& runtime, const SessionOptions& options,
                                                       const ModelFacts& facts, OnnxSession::ThreadMaker& threads) {
    const OrtApi& api = *runtime.api;
    TG_TRY(const Words words, read_words(options, facts));
    OrtSessionOptions* raw = nullptr;
    TG_CHECK(check(api, api.CreateSessionOptions(&raw), ErrorCode::kInternal, kRefused));
    Handle<OrtSessionOptions> made(raw, Release{&api});
    // Threads that spin for work take the event loops' cores: bench/results/model_session.json has the measurement.
    const std::array<std::pair<const char*, const char*>, 5> entries{{
        {kOrtSessionOptionsConfigAllowIntraOpSpinning, words.spins ? "1" : "0"},
        {kOrtSessionOptionsConfigAllowInterOpSpinning, words.spins ? "1" : "0"},
        {kOrtSessionOptionsConfigUseEnvAllocators, "1"},
        {kOrtSessionOptionsConfigLoadModelFormat, "ONNX"},
        {kOrtSessionOptionsDisableSpecifiedOptimizers, options.fold_constants ? "" : "ConstantFolding"},
    }};
    for (const auto& [key, value] : entries) {
        TG_CHECK(check(api, api.AddSessionConfigEntry(raw, key, value), ErrorCode::kInternal, kRefused));
    }
    const std::array<OrtStatus*, 9> said{
        api.SetSessionGraphOptimizationLevel(raw, words.level),
        words.pattern ? api.EnableMemPattern(raw) : api.DisableMemPattern(raw),
        api.SetDeterministicCompute(raw, true),
        api.SetIntraOpNumThreads(raw, static_cast<int>(options.intra_op_threads)),
        api.SetInterOpNumThreads(raw, static_cast<int>(options.inter_op_threads)),
        api.SetSessionExecutionMode(raw, options.inter_op_threads > 1 ? ORT_PARALLEL : ORT_SEQUENTIAL),
        api.SessionOptionsSetCustomCreateThreadFn(raw, create_thread),
        api.SessionOptionsSetCustomThreadCreationOptions(raw, &threads),
        api.SessionOptionsSetCustomJoinThreadFn(raw, join_thread),
    };
    Result<void> all{};
    for (OrtStatus* const status : said) {
        if (auto one = check(api, status, ErrorCode::kInternal, kRefused); !one) all = std::move(one);
    }
    TG_CHECK(std::move(all));
    if (options.device == Device::kCuda) TG_CHECK(add_cuda(api, raw, options));
    return made;
}

}  // namespace tidegate::model::onnx
