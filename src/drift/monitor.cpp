#include "drift/monitor.h"

#include <algorithm>
#include <utility>

#include "base/hash.h"

namespace tidegate::drift {
namespace {

std::size_t hash_of(const StreamKey& key, std::string_view segment) noexcept {
    std::uint64_t hash = 0;
    for (const std::string_view part : {std::string_view(key.service), std::string_view(key.operation),
                                        std::string_view(key.model), std::string_view(key.tenant), segment}) {
        hash = mix64(hash + 0x9e3779b97f4a7c15ULL + std::hash<std::string_view>()(part));
    }
    return hash;
}

}  // namespace

std::size_t Monitor::Hash::operator()(const StreamKey& key) const noexcept {
    return hash_of(key, key.segment);
}

std::size_t Monitor::Hash::operator()(const Parts& parts) const noexcept {
    return hash_of(*parts.whole, parts.segment);
}

bool Monitor::Equal::operator()(const Parts& a, const StreamKey& b) const noexcept {
    return a.whole->operation == b.operation && a.whole->tenant == b.tenant && a.whole->model == b.model &&
           a.whole->service == b.service && a.segment == b.segment;
}

Monitor::Monitor(MonitorOptions options) : options_(std::move(options)) {}

void Monitor::add(const Observation& observation, std::vector<Finding>& findings) {
    if (Stream* const whole = stream_of(observation, {})) whole->add(observation, findings);
    for (const std::string& segment : observation.segments) {
        if (Stream* const part = stream_of(observation, segment)) part->add(observation, findings);
    }
}

Stream* Monitor::stream_of(const Observation& observation, std::string_view segment) {
    const auto found = streams_.find(Parts{&observation.key, segment});
    if (found != streams_.end()) return found->second.get();
    if (!has_room(observation.key.tenant, observation.at)) {
        ++unwatched_;
        return nullptr;
    }
    StreamKey key = observation.key;
    key.segment = segment;
    auto stream = std::make_unique<Stream>(key, options_);
    Stream* const made = stream.get();
    insert(std::move(key), std::move(stream));
    return made;
}

bool Monitor::has_room(const std::string& tenant, UnixMillis now) {
    const auto share = of_tenant_.find(tenant);
    if (share != of_tenant_.end() && share->second.streams >= options_.tenant_streams_max &&
        !make_room(now, share->second.searched_at, &tenant)) {
        ++unwatched_of_tenants_;
        return false;
    }
    return streams_.size() < options_.streams_max || make_room(now, searched_at_, nullptr);
}

void Monitor::insert(StreamKey key, std::unique_ptr<Stream> stream) {
    if (!key.tenant.empty()) ++of_tenant_[key.tenant].streams;
    streams_.emplace(std::move(key), std::move(stream));
}

bool Monitor::make_room(UnixMillis now, UnixMillis& searched_at, const std::string* tenant) {
    // Once a second of the decisions' time: a flood of new streams would else search for each.
    constexpr UnixMillis kSearchMs = 1'000;
    if (now - searched_at < kSearchMs && now >= searched_at) return false;
    searched_at = now;
    const auto before = [](const auto& a, const auto& b) {
        const UnixMillis one = a.second->last_at();
        const UnixMillis other = b.second->last_at();
        return one != other ? one < other : a.first < b.first;  // Not by the order of the table.
    };
    auto oldest = streams_.end();
    for (auto at = streams_.begin(); at != streams_.end(); ++at) {
        if (tenant != nullptr && at->first.tenant != *tenant) continue;
        if (oldest == streams_.end() || before(*at, *oldest)) oldest = at;
    }
    if (oldest == streams_.end() || now - oldest->second->last_at() < options_.idle_max_ms) return false;
    // The share stays when it comes to nothing: `searched_at` may lie in it, and there are no more than streams ever were.
    if (const auto share = of_tenant_.find(oldest->first.tenant); share != of_tenant_.end()) --share->second.streams;
    evicted_.push_back(oldest->first);
    streams_.erase(oldest);
    return true;
}

Stream* Monitor::find(const StreamKey& key) {
    const auto found = streams_.find(key);
    return found == streams_.end() ? nullptr : found->second.get();
}

std::vector<Stream*> Monitor::streams() {
    std::vector<Stream*> all;
    all.reserve(streams_.size());
    for (auto& [key, stream] : streams_) all.push_back(stream.get());
    std::ranges::sort(all, {}, [](const Stream* stream) -> const StreamKey& { return stream->key(); });
    return all;
}

std::vector<const Stream*> Monitor::streams() const {
    std::vector<const Stream*> all;
    all.reserve(streams_.size());
    for (const auto& [key, stream] : streams_) all.push_back(stream.get());
    std::ranges::sort(all, {}, [](const Stream* stream) -> const StreamKey& { return stream->key(); });
    return all;
}

Result<void> Monitor::restore(StreamKey key, std::string_view reference, std::string_view state) {
    if (streams_.contains(key)) return fail(ErrorCode::kConflict, "the drift stream is there already");
    if (streams_.size() >= options_.streams_max) return fail(ErrorCode::kResourceExhausted, "too many drift streams");
    auto stream = std::make_unique<Stream>(key, options_);
    TG_CHECK(stream->load(reference, state));
    insert(std::move(key), std::move(stream));  // What was watched stays watched, also where a part was made smaller.
    return {};
}

std::vector<StreamKey> Monitor::take_evicted() {
    return std::exchange(evicted_, {});
}

AlertKey alert_key(const Finding& finding) {
    const StreamKey& stream = finding.stream;
    return {stream.service, stream.model, stream.tenant, finding.feature, stream.operation, stream.segment};
}

}  // namespace tidegate::drift
