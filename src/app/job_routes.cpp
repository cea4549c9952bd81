#include "app/job_routes.h"

#include <string>
#include <tuple>
#include <utility>

#include "pipeline/context.h"
#include "services/compliance/reading.h"

namespace tidegate::app {
namespace {

using compliance::Reach;
using jobs::Job;
using jobs::JobState;
using pipeline::ContextPtr;
using pipeline::required;
using pipeline::Route;
using pipeline::Schema;

constexpr std::string_view kAllJobs = "jobs";

Reach job_reach(const pipeline::Context& context, const JobRouteParts& parts) {
    return compliance::reach_of(context.caller().get(), parts.loopback_without_keys, {kAllJobs});
}

void time_field(JsonWriter& writer, std::string_view name, UnixMillis time) {
    writer.key(name);
    time > 0 ? writer.value(format_rfc3339(time)) : writer.null();
}

void append_members(JsonWriter& writer, const Job& job) {
    writer.field("id", job.id).field("kind", job.kind).field("state", jobs::to_string(job.state));
    writer.field("title", job.title).key("tenant");
    job.tenant.empty() ? writer.null() : writer.value(job.tenant);
    writer.field("actor", job.actor).field("attempts", job.attempts).field("attempts_max", job.attempts_max);
    writer.key("progress").begin_object().field("fraction", job.progress).field("note", job.progress_note).end_object();
    writer.field("cancel_requested", job.cancel_requested).key("error");
    job.error.empty() ? writer.null() : writer.value(job.error);
    time_field(writer, "created_at", job.created);
    time_field(writer, "updated_at", job.updated);
    time_field(writer, "next_attempt_at", job.state == JobState::kQueued ? job.next_at : 0);
    time_field(writer, "started_at", job.started);
    time_field(writer, "finished_at", job.finished);
}

std::vector<Schema::Member> job_members() {
    const Schema time = Schema::string().format("date-time");
    return {
        required("id", Schema::string().doc("UUIDv7; the idempotency key of what the job does elsewhere.")),
        required("kind", Schema::string()),
        required("state", Schema::string()
                              .one_of({"queued", "running", "succeeded", "failed", "dead", "cancelled"})
                              .doc("failed: trying again is of no use; dead: all attempts are used up.")),
        required("title", Schema::string().doc("What it is about, for people.")),
        required("tenant", Schema::string().nullable()),
        required("actor", Schema::string().doc("Who asked for it.")),
        required("attempts", Schema::integer().doc("Begun.")),
        required("attempts_max", Schema::integer()),
        required("progress", Schema::object({required("fraction", Schema::number().range(0, 1)),
                                             required("note", Schema::string())})),
        required("cancel_requested", Schema::boolean()),
        required("error", Schema::string().nullable().doc("Of the last attempt that failed.")),
        required("created_at", time),
        required("updated_at", time.nullable()),
        required("next_attempt_at", time.nullable().doc("While queued.")),
        required("started_at", time.nullable().doc("Of the last attempt.")),
        required("finished_at", time.nullable()),
    };
}

Schema job_schema() {
    std::vector<Schema::Member> members = job_members();
    members.push_back(required("result", Schema::any().doc("What it came to; null: nothing yet.")));
    return Schema::object(std::move(members));
}

void reply_job(const ContextPtr& context, const Job& job) {
    std::string body;
    JsonWriter writer(body);
    writer.begin_object();
    append_members(writer, job);
    writer.key("result");
    job.result.empty() ? writer.null() : writer.raw(job.result);
    writer.end_object();
    context->reply_json(std::move(body));
}

/// The job of the path, where the caller may see it; nothing when the request was refused.
std::optional<Job> take_job(const ContextPtr& context, const JobRouteParts& parts) {
    auto job = parts.jobs.find(context->path_parameter("id"));
    const Reach scope = job_reach(*context, parts);
    // The server's own (the posts of alerts) have no tenant: they are not for every key without one to see and to cancel.
    if (job && scope.sees(job->tenant) && (scope.all || job->actor != "system")) return *std::move(job);
    // Another tenant's job is not there, as far as this caller can tell.
    context->fail(job ? Error{ErrorCode::kNotFound, "There is no such job."} : job.error());
    return std::nullopt;
}

void answer_jobs(const ContextPtr& context, const JobRouteParts& parts) {
    jobs::JobFilter filter;
    filter.tenant = job_reach(*context, parts).tenant_filter();
    filter.kind = context->query("kind").value_or("");
    if (const auto state = context->query("state")) filter.state = jobs::parse_state(*state);
    filter.before = context->query("cursor").value_or("");
    const auto limit = static_cast<std::size_t>(context->query_int("limit").value_or(50));
    filter.limit = limit + 1;
    auto found = parts.jobs.list(filter);
    if (!found) return context->fail(found.error());
    const auto counts = parts.jobs.counts(filter.tenant);
    if (!counts) return context->fail(counts.error());
    const bool more = found->size() > limit;
    if (more) found->pop_back();
    std::string body;
    JsonWriter writer(body);
    writer.begin_object().key("items").begin_array();
    for (const Job& job : *found) {
        writer.begin_object();
        append_members(writer, job);
        writer.end_object();
    }
    writer.end_array().key("next_cursor");
    more ? writer.value(found->back().id) : writer.null();
    writer.key("counts").begin_object();
    for (std::size_t i = 0; i < jobs::kJobStates; ++i) {
        writer.field(jobs::to_string(static_cast<JobState>(i)), (*counts)[i]);
    }
    writer.end_object().end_object();
    context->reply_json(std::move(body));
}

Schema list_schema() {
    std::vector<Schema::Member> counts;
    for (std::size_t i = 0; i < jobs::kJobStates; ++i) {
        counts.push_back(required(std::string(jobs::to_string(static_cast<JobState>(i))), Schema::integer()));
    }
    return Schema::object({
        required("items", Schema::array(Schema::object(job_members())).doc("Newest first.")),
        required("next_cursor", Schema::string().nullable()),
        required("counts", Schema::object(std::move(counts)).doc("All of the caller's jobs, by state.")),
    });
}

Route job_route(http::Method method, std::string path, std::string operation, std::string summary) {
    Route route;
    route.method = method;
    route.path = std::move(path);
    route.operation = std::move(operation);
    route.family = "jobs";
    route.summary = std::move(summary);
    route.work = pipeline::Work::kBlocking;
    route.response = job_schema();
    if (route.path.find("{id}") != std::string::npos) {
        route.path_parameters = {{.name = "id", .schema = Schema::string().size(36, 36), .required = true}};
    }
    return route;
}

}  // namespace

void register_job_routes(std::vector<Route>& routes, const JobRouteParts& parts) {
    using http::Method;
    Route list =
        job_route(Method::kGet, "/api/v1/jobs", "list_jobs", "The caller's jobs, or its tenant's, newest first.");
    list.response = list_schema();
    list.query = {
        {.name = "kind", .schema = Schema::string().size(1, 32)},
        {.name = "state",
         .schema = Schema::string().one_of({"queued", "running", "succeeded", "failed", "dead", "cancelled"})},
        {.name = "limit", .schema = Schema::integer().range(1, 500).doc("Default 50.")},
        {.name = "cursor", .schema = Schema::string().size(1, 64).doc("`next_cursor` of the page before.")}};
    list.example = "state=dead&limit=5";
    list.handler = [parts](const ContextPtr& context) { answer_jobs(context, parts); };
    routes.push_back(std::move(list));

    Route get = job_route(Method::kGet, "/api/v1/jobs/{id}", "get_job", "One job, with what it came to.");
    get.handler = [parts](const ContextPtr& context) {
        if (const auto job = take_job(context, parts)) reply_job(context, *job);
    };
    routes.push_back(std::move(get));

    Route cancel = job_route(Method::kDelete, "/api/v1/jobs/{id}", "cancel_job",
                             "Cancels a job: at once while it is queued, when it heeds it while it runs.");
    cancel.handler = [parts](const ContextPtr& context) {
        if (!take_job(context, parts)) return;
        const auto job = parts.jobs.cancel(context->path_parameter("id"));
        job ? reply_job(context, *job) : context->fail(job.error());
    };
    routes.push_back(std::move(cancel));

    Route retry = job_route(Method::kPost, "/api/v1/jobs/{id}/retry", "retry_job",
                            "Queues a dead, failed or cancelled job again, with fresh attempts.");
    retry.access = pipeline::Access::kAdmin;
    retry.scopes = {"admin"};
    retry.handler = [parts](const ContextPtr& context) {
        if (!take_job(context, parts)) return;
        const auto job = parts.jobs.retry(context->path_parameter("id"));
        job ? reply_job(context, *job) : context->fail(job.error());
    };
    routes.push_back(std::move(retry));
}

}  // namespace tidegate::app
