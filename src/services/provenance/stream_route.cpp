// POST /api/v1/detect/stream/text: the same answer as server-sent events, each signal as it becomes known.
#include <algorithm>
#include <future>

#include "http/sse.h"
#include "pipeline/context.h"
#include "services/provenance/provenance.h"
#include "services/provenance/text_answer.h"
#include "services/provenance/text_request.h"

namespace tidegate::provenance {
namespace {

using pipeline::ContextPtr;
using pipeline::Schema;

/// Writes events until the client has left or has been waited for too long; then everything more is dropped.
class Events {
  public:
    Events(std::shared_ptr<http::Stream> stream, const Clock& clock) : stream_(std::move(stream)), clock_(clock) {}

    template <class Write>
    void send(std::string_view event, Write&& write) {
        data_.clear();
        JsonWriter writer(data_);
        writer.begin_object();
        write(writer);
        writer.end_object();
        send_raw(event, data_);
    }
    void send_raw(std::string_view event, std::string_view json) {
        if (!open_) return;
        frame_.clear();
        http::append_event(frame_, {.name = event, .data = json});
        // A reader that is slower than the detector is waited for, and all its waits together are bounded: then its body
        // is cut and the thread goes back to the pool.
        const SteadyTime begin = clock_.now();
        open_ = stream_->write_wait(frame_, patience_) == http::Stream::Outcome::kAccepted;
        patience_ -= std::min<Duration>(patience_, clock_.now() - begin);
    }
    /// Without it the body stays cut, and the client knows that it has not seen the end.
    void finish() {
        if (open_) stream_->finish();
    }

  private:
    std::shared_ptr<http::Stream> stream_;
    const Clock& clock_;
    std::string data_;
    std::string frame_;
    Duration patience_ = std::chrono::seconds(20);
    bool open_ = true;
};

class StreamObserver final : public text::AnalysisObserver {
  public:
    explicit StreamObserver(Events& events) : events_(events) {}
    void on_signal(const Signal& signal) override {
        data_.clear();
        JsonWriter writer(data_);
        write_signal(writer, signal);
        events_.send_raw("signal", data_);
    }
    void on_segment(const Segment& segment) override {
        data_.clear();
        JsonWriter writer(data_);
        write_segment(writer, segment);
        events_.send_raw("segment", data_);
    }

  private:
    Events& events_;
    std::string data_;
};

void send_error(Events& events, const Error& error) {
    events.send("error", [&](JsonWriter& writer) {
        writer.field("error", to_string(error.code)).field("detail", error.message);
    });
    events.finish();
}

/// On a thread for waiting, so that it may wait for the record.
Result<void> record_and_wait(pipeline::Context& context, audit::Decision decision) {
    std::promise<Result<void>> promise;
    auto durable = promise.get_future();
    std::vector<audit::Decision> decisions;
    decisions.push_back(std::move(decision));
    context.record(std::move(decisions), [&promise](Result<void> outcome) { promise.set_value(std::move(outcome)); });
    return durable.get();
}

void answer_stream(const ContextPtr& context, const Parts& parts) {
    const std::string_view text = context->body().find("text")->as_string();
    const TextContext told = told_of(context->body());
    audit::Decision decision = context->make_decision(kService, "detect/stream/text", text);
    const std::string id = to_string(decision.id);
    http::Response head;
    head.headers.add("Content-Type", http::kEventStreamType);
    Events events(context->start_stream(std::move(head)), parts.clock);
    events.send("started", [&](JsonWriter& writer) {
        writer.field("analysis_id", id).field("model_version", parts.text_detector.model_version());
        writer.key("warnings").begin_array();
        for (const std::string& warning : context->warnings()) writer.value(std::string_view(warning));
        writer.end_array();
    });
    StreamObserver observer(events);
    const SteadyTime start = parts.clock.now();
    const auto analysis = analyse_text(parts.text_detector, text, told, &observer);
    if (!analysis) return send_error(events, analysis.error());
    const double took_ms = std::chrono::duration<double, std::milli>(parts.clock.now() - start).count();
    context->end_stage("detect");
    const TextAnswer answer{*analysis, id, parts.text_detector.model_version(),
                            parts.text_detector.calibration_version(), took_ms};
    fill_decision(decision, answer, told, parts.settings.keep_output == "whole");
    const auto durable = record_and_wait(*context, std::move(decision));
    context->end_stage("record");
    if (!durable)
        return send_error(
            events, {ErrorCode::kUnavailable, "The answer could not be recorded, so it is not given; ask again."});
    events.send("result", [&](JsonWriter& writer) { write_members(writer, answer); });
    events.send("done", [&](JsonWriter& writer) { writer.field("analysis_id", id); });
    events.finish();
}

}  // namespace

void register_stream_route(std::vector<pipeline::Route>& routes, const Parts& parts) {
    routes.push_back({
        .method = http::Method::kPost,
        .path = "/api/v1/detect/stream/text",
        .operation = "detect_stream_text",
        .family = "provenance",
        .summary = "As detect/text, as server-sent events: started, signal and segment (one each), result, "
                   "done; or error.",
        .work = pipeline::Work::kBlocking,
        .request = text_request_schema(),
        .response = Schema::string().doc("Events; the data of `result` is what POST /api/v1/detect/text answers."),
        .response_type = "text/event-stream",
        .spend_points = Points::whole(1),
        .scopes = {"provenance:detect"},
        .body_bytes_max = 1024 * 1024,
        .example = std::string(kExampleRequest),
        .handler = [parts](const ContextPtr& context) { answer_stream(context, parts); },
    });
}

void register_provenance(std::vector<pipeline::Route>& routes, const Parts& parts) {
    register_text_routes(routes, parts);
    register_stream_route(routes, parts);
    register_history_routes(routes, parts);
}

}  // namespace tidegate::provenance
