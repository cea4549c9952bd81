#include "services/inference/errand.h"

#include <chrono>
#include <utility>

#include "base/json_writer.h"
#include "pipeline/problem.h"
#include "services/inference/values.h"

namespace tidegate::inference {
namespace {

using model::InferAnswer;
using model::NamedTensor;

/// A record holds 4 MiB of output; a hundredth of that is enough to look at.
constexpr std::size_t kWholeBytesMax = std::size_t{64} * 1024;

/// The model, not the request, is at fault: somebody will want to see it in the record.
bool is_failure(ErrorCode code) noexcept {
    return code == ErrorCode::kInternal || code == ErrorCode::kDataLoss || code == ErrorCode::kDeadlineExceeded;
}

/// When what waits now will have been computed: to the second for everybody, to the millisecond for clients that know the field.
void refuse_for_now(pipeline::Context& context, const model::Model& model, const Error& error) {
    const auto wait = std::chrono::ceil<std::chrono::milliseconds>(model.retry_after());
    http::Response response = context.error_response(error);
    response.headers.set("Retry-After", std::to_string(std::chrono::ceil<std::chrono::seconds>(wait).count()));
    response.headers.add("Retry-After-Ms", std::to_string(wait.count()));
    context.send(std::move(response));
}

void write_outputs(std::string& out, const std::vector<NamedTensor>& outputs, const InferAnswer& answer, bool whole) {
    JsonWriter writer(out);
    writer.begin_object().field("batch_rows", answer.batch_rows).field("cut", to_string(answer.cut));
    writer.key("outputs").begin_array();
    for (const NamedTensor& output : outputs) {
        writer.begin_object().field("name", output.name).field("datatype", to_string(output.tensor.type));
        writer.key("shape").raw(output.tensor.shape.text());
        if (whole) {
            std::string values;
            write_flat(values, output.tensor);
            writer.key("data").raw(values);
        }
        writer.end_object();
    }
    writer.end_array().end_object();
}

}  // namespace

void fail_recorded(pipeline::Context& context, const model::Model* model, std::string_view operation,
                   const Error& error) {
    if (error.code == ErrorCode::kUnavailable && model != nullptr) return refuse_for_now(context, *model, error);
    if (!is_failure(error.code) || model == nullptr) return context.fail(error);
    audit::Decision decision = context.make_decision(kService, operation, context.raw_body());
    decision.model = model->name();
    decision.model_version = model->full_version();
    decision.tokens_stated = false;  // Of what failed nobody counted them.
    decision.status = error.code == ErrorCode::kDeadlineExceeded ? audit::Status::kTimeout : audit::Status::kError;
    decision.error = std::string(tidegate::to_string(error.code)) + ": " + error.message.substr(0, 1024);
    decision.spend_points = context.price(decision.status, audit::CacheState::kBypass);
    std::vector<audit::Decision> decisions;
    decisions.push_back(std::move(decision));
    context.send_recorded(std::move(decisions), context.error_response(error));
}

Result<model::ModelPtr> find_model(const InferenceParts& parts, std::string_view name, std::string_view version) {
    if (parts.repository != nullptr) return parts.repository->find(name, version);
    return fail(ErrorCode::kNotFound, "there is no such model: models.folder names no folder of models");
}

std::string batch_timing(const InferAnswer& answer) {
    return "batch;desc=\"" + std::to_string(answer.batch_rows) + " rows, " + std::string(to_string(answer.cut)) + "\"";
}

std::string output_summary(const std::vector<NamedTensor>& outputs, const InferAnswer& answer, bool whole) {
    std::uint64_t elements = 0;
    for (const NamedTensor& output : outputs) elements += elements_of(output.tensor);
    std::string out;
    // Two bytes an element at least.
    whole = whole && elements * 2 <= kWholeBytesMax;
    write_outputs(out, outputs, answer, whole);
    if (!whole || out.size() <= kWholeBytesMax) return out;
    out.clear();
    write_outputs(out, outputs, answer, false);
    return out;
}

Errand::Errand(const InferenceParts& its_parts, const pipeline::ContextPtr& its_context, std::string_view its_operation)
    : parts(its_parts), context(its_context), operation(its_operation) {}

std::shared_ptr<Errand> Errand::begin(const InferenceParts& parts, const pipeline::ContextPtr& context,
                                      std::string_view operation) {
    std::shared_ptr<Errand> errand(new Errand(parts, context, operation));
    errand->sink_ = parts.loops.sink(context->loop());
    if (const auto exchange = context->exchange()) errand->gone_ = parts.loops.watch(exchange, context->loop());
    return errand;
}

void Errand::run(bool small, void (*work)(Errand&)) {
    if (small) return work(*this);
    if (parts.cpu.submit([self = shared_from_this(), work] { work(*self); })) return;
    context->fail({ErrorCode::kUnavailable, "Too many requests are waiting; ask again in a second."});
}

void Errand::submit(void (*finish)(Errand&, InferAnswer&)) {
    context->end_stage("parse");
    submitted_ = parts.clock.now();
    model::InferRequest request;
    request.inputs = std::move(body.inputs);
    request.outputs.reserve(body.outputs.size());
    for (const WantedOutput& output : body.outputs) request.outputs.push_back(output.name);
    request.owner = shared_from_this();
    request.priority = body.priority;
    request.timeout_us = body.timeout_us;
    request.gone = gone_;
    request.sink = sink_;
    request.done = [self = shared_from_this(), finish](Result<InferAnswer> answer) {
        self->take(std::move(answer), finish);
    };
    model->infer(std::move(request));
}

void Errand::take(Result<InferAnswer> answer, void (*finish)(Errand&, InferAnswer&)) {
    if (!answer) {
        // Its Decision has the body's hash: of a large one that is nothing for a loop.
        const auto tell = [self = shared_from_this(), error = std::move(answer).error()] {
            fail_recorded(*self->context, self->model.get(), self->operation, error);
        };
        if (context->raw_body().size() <= kLoopBytesMax || !parts.cpu.submit(tell)) tell();
        return;
    }
    context->end_stage("model_queue", submitted_ + answer->queued);
    context->end_stage("compute", submitted_ + answer->queued + answer->computed);
    if (context->shows_stages()) context->add_timing(batch_timing(*answer));
    finish(*this, *answer);
}

audit::Decision Errand::decide(const InferAnswer& answer) const {
    audit::Decision decision = context->make_decision(kService, operation, context->raw_body());
    decision.model = model->name();
    decision.model_version = model->full_version();
    decision.tokens_stated = false;  // Tensors have rows.
    decision.output = output_summary(answer.outputs, answer, parts.settings.keep_output == "whole");
    return decision;
}

}  // namespace tidegate::inference
