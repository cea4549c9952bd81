#include "model/onnx/session.h"

#include <onnxruntime_c_api.h>

#include <algorithm>
#include <utility>

#include "model/affinity.h"
#include "model/onnx/model_guard.h"
#include "model/onnx/session_options.h"
#include "model/onnx/values.h"

namespace tidegate::model::onnx {
namespace {

constexpr const char* kNotDescribed = "ONNX Runtime does not describe the model";

std::string joined(const std::vector<std::string>& names) {
    std::string out;
    for (const auto& name : names) out += (out.empty() ? "" : ", ") + name;
    return out;
}

Result<void> judge(const ModelFacts& facts) {
    if (!facts.no_tensors.empty()) {
        return fail(ErrorCode::kFailedValidation, "not a tensor: " + joined(facts.no_tensors) +
                                                      " (a classifier of scikit-learn: convert it with zipmap off)");
    }
    if (!facts.shapeless.empty()) {
        return fail(ErrorCode::kFailedValidation,
                    "the model does not say how many dimensions these have: " + joined(facts.shapeless));
    }
    return {};
}

Result<TensorInfo> info_of(const OrtApi& api, const OrtTypeInfo* type, std::string name) {
    const OrtTensorTypeAndShapeInfo* info = nullptr;
    TG_CHECK(check(api, api.CastTypeInfoToTensorInfo(type, &info), ErrorCode::kInternal, kNotDescribed));
    if (info == nullptr) return fail(ErrorCode::kFailedValidation, name + " is not a tensor");
    ONNXTensorElementDataType element = ONNX_TENSOR_ELEMENT_DATA_TYPE_UNDEFINED;
    TG_CHECK(check(api, api.GetTensorElementType(info, &element), ErrorCode::kInternal, kNotDescribed));
    const auto ours = type_of(element);
    if (!ours) {
        return fail(ErrorCode::kFailedValidation, name + " has an element type that the protocols have no name for");
    }
    std::size_t count = 0;
    TG_CHECK(check(api, api.GetDimensionsCount(info, &count), ErrorCode::kInternal, kNotDescribed));
    std::vector<std::int64_t> dimensions(count);
    TG_CHECK(check(api, api.GetDimensions(info, dimensions.data(), count), ErrorCode::kInternal, kNotDescribed));
    TensorInfo out{.name = std::move(name), .type = *ours, .shape = {}};
    auto shape = Shape::of(dimensions);
    if (!shape) return fail(ErrorCode::kFailedValidation, out.name + ": " + shape.error().message);
    out.shape = *shape;
    return out;
}

// What one pass hands to the library; kept by the thread, so that a pass allocates nothing here.
struct Scratch {
    std::vector<Handle<OrtValue>> owned;
    std::vector<const OrtValue*> values;
    std::vector<OrtValue*> made;
    std::vector<const char*> names;
};

Scratch& scratch() {
    static thread_local Scratch of_thread;
    return of_thread;
}

}  // namespace

OnnxSession::OnnxSession(const Runtime& runtime, std::shared_ptr<CancelWatcher> watcher, const SessionOptions& options)
    : runtime_(runtime),
      watcher_(std::move(watcher)),
      device_(options.device),
      account_(MemoryAccount::open(options.arena_bytes_max)),
      threads_{.cpus = options.cpus, .account = account_} {}

OnnxSession::~OnnxSession() {
    {
        const MemoryScope scope(account_);
        session_.reset();
    }
    account_->close();
}

Result<std::unique_ptr<OnnxSession>> OnnxSession::load(const Runtime& runtime, std::shared_ptr<CancelWatcher> watcher,
                                                       std::span<const std::byte> bytes,
                                                       const SessionOptions& options) {
    std::unique_ptr<OnnxSession> session(new OnnxSession(runtime, std::move(watcher), options));
    TG_CHECK(session->open(bytes, options));
    return session;
}

Result<void> OnnxSession::open(std::span<const std::byte> bytes, const SessionOptions& options) {
    TG_TRY(const ModelFacts facts, inspect_model(bytes));
    TG_CHECK(judge(facts));
    const OrtApi& api = *runtime_.api;
    TG_TRY(const Handle<OrtSessionOptions> made, make_session_options(runtime_, options, facts, threads_));
    const MemoryScope scope(account_);
    const std::uint64_t refusals = account_->refusals();
    OrtSession* session = nullptr;
    const Outcome said =
        outcome(api, api.CreateSessionFromArray(runtime_.env, bytes.data(), bytes.size(), made.get(), &session));
    session_ = Handle<OrtSession>(session, Release{&api});
    if (said.failed && account_->refusals() != refusals) {
        return fail(ErrorCode::kTooLarge, "the model needs more memory than the " +
                                              std::to_string(options.arena_bytes_max) + " bytes it may have");
    }
    if (said.failed) return fail(ErrorCode::kFailedValidation, "ONNX Runtime refuses the model: " + said.words);
    TG_CHECK(describe(true));
    TG_CHECK(describe(false));
    for (const TensorInfo& input : inputs_) input_names_.push_back(input.name.c_str());
    return {};
}

Result<void> OnnxSession::describe(bool inputs) {
    const OrtApi& api = *runtime_.api;
    OrtAllocator* allocator = nullptr;
    TG_CHECK(check(api, api.GetAllocatorWithDefaultOptions(&allocator), ErrorCode::kInternal, kNotDescribed));
    std::size_t count = 0;
    TG_CHECK(check(
        api,
        inputs ? api.SessionGetInputCount(session_.get(), &count) : api.SessionGetOutputCount(session_.get(), &count),
        ErrorCode::kInternal, kNotDescribed));
    for (std::size_t i = 0; i < count; ++i) {
        char* raw = nullptr;
        TG_CHECK(check(api,
                       inputs ? api.SessionGetInputName(session_.get(), i, allocator, &raw)
                              : api.SessionGetOutputName(session_.get(), i, allocator, &raw),
                       ErrorCode::kInternal, kNotDescribed));
        std::string name = raw;
        TG_CHECK(check(api, api.AllocatorFree(allocator, raw), ErrorCode::kInternal, kNotDescribed));
        OrtTypeInfo* type = nullptr;
        TG_CHECK(check(api,
                       inputs ? api.SessionGetInputTypeInfo(session_.get(), i, &type)
                              : api.SessionGetOutputTypeInfo(session_.get(), i, &type),
                       ErrorCode::kInternal, kNotDescribed));
        const Handle<OrtTypeInfo> held(type, Release{&api});
        TG_TRY(TensorInfo info, info_of(api, type, std::move(name)));
        (inputs ? inputs_ : outputs_).push_back(std::move(info));
    }
    return {};
}

Result<Handle<OrtRunOptions>> OnnxSession::lease_run_options() {
    const OrtApi& api = *runtime_.api;
    {
        const Lock lock(mutex_);
        if (!run_options_.empty()) {
            Handle<OrtRunOptions> lease = std::move(run_options_.back());
            run_options_.pop_back();
            return lease;
        }
    }
    OrtRunOptions* made = nullptr;
    TG_CHECK(check(api, api.CreateRunOptions(&made), ErrorCode::kInternal, "ONNX Runtime makes no run"));
    return Handle<OrtRunOptions>(made, Release{&api});
}

Result<void> OnnxSession::call(std::span<const OrtValue* const> values, std::span<const std::uint32_t> wanted,
                               std::span<OrtValue*> made, const RunOptions& options) {
    const OrtApi& api = *runtime_.api;
    auto& names = scratch().names;
    names.clear();
    for (const std::uint32_t index : wanted) names.push_back(outputs_[index].name.c_str());
    const auto run = [&](const OrtRunOptions* run_options) {
        return outcome(api, api.Run(session_.get(), run_options, input_names_.data(), values.data(), values.size(),
                                    names.data(), names.size(), made.data()));
    };
    // Of another pass at the same moment it may be as well: both stand in the same full arena.
    const std::uint64_t refusals = account_->refusals();
    Outcome said;
    if (options.cancelled == nullptr) {
        said = run(nullptr);
    } else {
        TG_TRY(Handle<OrtRunOptions> lease, lease_run_options());
        {
            const CancelWatcher::Watch watch(*watcher_, *options.cancelled, lease.get());
            said = run(lease.get());
        }
        TG_CHECK(check(api, api.RunOptionsUnsetTerminate(lease.get()), ErrorCode::kInternal, "ONNX Runtime"));
        const Lock lock(mutex_);
        run_options_.push_back(std::move(lease));
    }
    if (!said.failed) return {};
    if (options.cancelled != nullptr && options.cancelled->load(std::memory_order_relaxed)) {
        return fail(ErrorCode::kCancelled, "the pass was cancelled");
    }
    if (account_->refusals() != refusals) {
        return fail(ErrorCode::kTooLarge, "the pass needs more memory than the " + std::to_string(account_->limit()) +
                                              " bytes that the model may have");
    }
    return fail(said.bad_argument ? ErrorCode::kFailedValidation : ErrorCode::kInternal, "ONNX Runtime: " + said.words);
}

Result<void> OnnxSession::run(std::span<const TensorView> inputs, std::span<const std::uint32_t> wanted,
                              std::vector<Tensor>& results, const RunOptions& options) {
    results.clear();
    if (inputs.size() != inputs_.size())
        return fail(ErrorCode::kInvalidArgument, "not as many inputs as the model has");
    if (wanted.empty() || std::ranges::any_of(wanted, [&](std::uint32_t i) { return i >= outputs_.size(); })) {
        return fail(ErrorCode::kInvalidArgument, "no output of the model is wanted, or one that it does not have");
    }
    const MemoryScope scope(account_);
    Scratch& use = scratch();
    use.owned.clear();
    use.values.clear();
    for (const TensorView& input : inputs) {
        TG_TRY(Handle<OrtValue> value, lend(runtime_, input));
        use.values.push_back(value.get());
        use.owned.push_back(std::move(value));
    }
    use.made.assign(wanted.size(), nullptr);
    const auto ran = call(use.values, wanted, use.made, options);
    use.owned.clear();
    TG_CHECK(ran);
    // Taken off the raw pointers first: an error half-way must not leave one behind.
    std::vector<Handle<OrtValue>>& owned = use.owned;
    for (OrtValue* const made : use.made) owned.emplace_back(made, Release{runtime_.api});
    results.reserve(wanted.size());
    for (auto& value : owned) {
        TG_TRY(Tensor tensor, take_over(runtime_, std::move(value)));
        results.push_back(std::move(tensor));
    }
    owned.clear();
    return {};
}

}  // namespace tidegate::model::onnx
