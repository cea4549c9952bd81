#include "model/model.h"

#include <algorithm>

#include "model/model_state.h"

namespace tidegate::model {

Model::Model(std::unique_ptr<State> state) : state_(std::move(state)) {}
Model::~Model() = default;

const std::string& Model::name() const noexcept {
    return state_->name;
}
const std::string& Model::version() const noexcept {
    return state_->version;
}
const ModelConfig& Model::config() const noexcept {
    return state_->config;
}
const std::vector<TensorInfo>& Model::inputs() const noexcept {
    return state_->inputs;
}
const std::vector<TensorInfo>& Model::outputs() const noexcept {
    return state_->outputs;
}
const std::string& Model::sha256() const noexcept {
    return state_->sha256;
}
const std::string& Model::full_version() const noexcept {
    return state_->full_version;
}
const std::string& Model::fingerprint() const noexcept {
    return state_->fingerprint;
}
Device Model::device() const noexcept {
    return state_->sessions.front()->device();
}
UnixMillis Model::loaded_at() const noexcept {
    return state_->loaded_at;
}
Duration Model::warmup_time() const noexcept {
    return state_->warmup;
}
const std::string& Model::tokenizer_file() const noexcept {
    return state_->tokenizer_file;
}
const BatcherStats& Model::batcher_stats() const noexcept {
    return state_->batcher->stats();
}
Duration Model::retry_after() const {
    return state_->batcher->retry_after();
}

std::uint64_t Model::memory_bytes() const noexcept {
    std::uint64_t bytes = 0;
    for (const auto& session : state_->sessions) bytes += session->memory_bytes();
    return bytes;
}

SteadyTime Model::deadline_of(const InferRequest& request) const {
    const ModelConfig& config = state_->config;
    const bool own_timeout = request.timeout_us > 0 && config.allow_timeout_override;
    SteadyTime deadline = request.deadline;
    if (deadline != SteadyTime{} && !own_timeout) return deadline;
    if (deadline == SteadyTime{} && config.deadline_ms == 0 && !own_timeout) return deadline;
    const SteadyTime now = state_->clock->now();
    if (deadline == SteadyTime{} && config.deadline_ms > 0)
        deadline = now + std::chrono::milliseconds(config.deadline_ms);
    if (own_timeout) {
        // An hour bounds what a client may write into 64 bits, so that the sum does not wrap.
        constexpr std::uint64_t kTimeoutMaxUs = 3'600'000'000ULL;
        const SteadyTime bound = now + std::chrono::microseconds(std::min(request.timeout_us, kTimeoutMaxUs));
        deadline = deadline == SteadyTime{} ? bound : std::min(deadline, bound);
    }
    return deadline;
}

Result<InferAnswer> Model::answer_of(BatchAnswer batch, const std::vector<std::uint32_t>& wanted) {
    InferAnswer answer{.model = shared_from_this(),
                       .outputs = {},
                       .owner = std::move(batch.owner),
                       .queued = batch.queued,
                       .computed = batch.computed,
                       .batch_rows = batch.batch_rows,
                       .cut = batch.cut};
    infer_ns_.fetch_add(static_cast<std::uint64_t>(batch.computed.count()), std::memory_order_relaxed);
    answer.outputs.reserve(batch.outputs.size());
    for (std::size_t i = 0; i < batch.outputs.size(); ++i) {
        TensorView& view = batch.outputs[i];
        auto shape = client_shape(state_->config, state_->config.outputs[wanted[i]], view.shape);
        if (!shape) {  // The model's fault or its config's, not the request's.
            return fail(ErrorCode::kInternal,
                        "output `" + state_->outputs[wanted[i]].name + "`: " + std::move(shape).error().message);
        }
        view.shape = *shape;
        answer.outputs.push_back({state_->outputs[wanted[i]].name, view});
    }
    return answer;
}

void Model::infer(InferRequest request) {
    auto checked = check(request);
    if (!checked) return request.done(std::unexpected(std::move(checked).error()));
    const ModelConfig& config = state_->config;
    const std::uint32_t level = request.priority > 0 ? request.priority : config.default_priority_level;
    BatchRequest batch;
    batch.deadline = deadline_of(request);
    batch.inputs = std::move(checked->inputs);
    batch.wanted = checked->wanted;
    batch.owner = std::move(request.owner);
    batch.rows = checked->rows;
    batch.tokens = checked->tokens;
    batch.priority = level > 0 ? level - 1 : 0;
    batch.gone = std::move(request.gone);
    batch.sink = std::move(request.sink);
    // Holding itself, a model that is unloaded lives until its last request is answered.
    batch.done = [self = shared_from_this(), wanted = std::move(checked->wanted),
                  done = std::move(request.done)](Answer answer) mutable {
        if (!answer) return done(std::unexpected(std::move(answer).error()));
        done(self->answer_of(*std::move(answer), wanted));
    };
    state_->batcher->submit(std::move(batch));
}

ModelStatistics Model::statistics() const {
    const BatcherStats& stats = state_->batcher->stats();
    const auto read = [](const auto& number) { return number.load(std::memory_order_relaxed); };
    ModelStatistics out;
    out.last_inference = read(stats.last_unix_ms);
    out.inference_count = read(stats.rows);
    out.execution_count = read(stats.passes);
    out.success = {.count = stats.ended(Ended::kAnswered), .ns = read(stats.answered_ns)};
    for (std::size_t i = 0; i < kEnds; ++i) {
        if (static_cast<Ended>(i) != Ended::kAnswered) out.fail.count += stats.ended(static_cast<Ended>(i));
    }
    out.fail.ns = read(stats.failed_ns);
    out.queue = {.count = stats.queued.snapshot().count, .ns = read(stats.queued_ns)};
    out.compute_infer = {.count = out.success.count, .ns = read(infer_ns_)};
    out.compute_input = {.count = out.execution_count, .ns = read(stats.input_ns)};
    out.compute_output = {.count = out.execution_count, .ns = read(stats.output_ns)};
    std::uint32_t rows = 0;
    for (const RowsCell& cell : stats.by_rows()) {
        ++rows;
        const std::uint64_t passes = read(cell.passes);
        if (passes == 0) continue;
        out.batches.push_back({.batch_size = rows,
                               .compute_input = {.count = passes, .ns = read(cell.input_ns)},
                               .compute_infer = {.count = passes, .ns = read(cell.infer_ns)},
                               .compute_output = {.count = passes, .ns = read(cell.output_ns)}});
    }
    out.cut_full = stats.cuts(Cut::kFull);
    out.cut_time = stats.cuts(Cut::kTime);
    out.cut_idle = stats.cuts(Cut::kIdle);
    out.waiting_rows = read(stats.rows_waiting);
    return out;
}

}  // namespace tidegate::model
