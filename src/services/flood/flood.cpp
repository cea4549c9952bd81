#include "services/flood/flood.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <numbers>

namespace tidegate::flood {
namespace {

/// Kilometres on a sphere; the shape of the Earth is worth 0.5 %.
double distance_km(double lat_a, double lon_a, double lat_b, double lon_b) noexcept {
    constexpr double kRadian = std::numbers::pi / 180;
    constexpr double kEarthKm = 6371.0088;
    const double dy = std::sin((lat_b - lat_a) * kRadian / 2);
    const double dx = std::sin((lon_b - lon_a) * kRadian / 2);
    const double h = dy * dy + std::cos(lat_a * kRadian) * std::cos(lat_b * kRadian) * dx * dx;
    return 2 * kEarthKm * std::asin(std::min(1.0, std::sqrt(h)));
}

std::string key_of(std::string_view tenant, std::string_view device) {
    return std::string(tenant) + '\n' + std::string(device);
}

std::string_view tenant_of(std::string_view key) noexcept {
    return key.substr(0, key.find('\n'));
}

}  // namespace

BasinSet::BasinSet(std::vector<Basin> basins) {
    for (Basin& basin : basins) basins_.push_back(std::make_unique<const ServedBasin>(std::move(basin)));
    std::ranges::sort(basins_, {}, [](const auto& one) -> const std::string& { return one->basin.id; });
}

const ServedBasin* BasinSet::find(std::string_view id) const noexcept {
    const auto found = std::ranges::find(basins_, id, [](const auto& one) { return std::string_view(one->basin.id); });
    return found == basins_.end() ? nullptr : found->get();
}

const ServedBasin* BasinSet::around(double latitude, double longitude) const noexcept {
    const ServedBasin* nearest = nullptr;
    double least = 0;
    for (const auto& one : basins_) {
        const Basin& basin = one->basin;
        if (!std::isfinite(basin.latitude) || !std::isfinite(basin.longitude)) continue;
        const double km = distance_km(latitude, longitude, basin.latitude, basin.longitude);
        if (km > std::sqrt(basin.area_km2 / std::numbers::pi)) continue;
        if (nearest != nullptr && km >= least) continue;
        nearest = one.get();
        least = km;
    }
    return nearest;
}

Result<std::unique_ptr<Flood>> Flood::open(FloodNeeds needs) {
    std::unique_ptr<Flood> flood(new Flood(std::move(needs)));
    TG_TRY(auto opened, FloodStore::open(flood->needs_.database_path, flood->needs_.clock));
    {
        const Lock lock(flood->store_mutex_);
        flood->store_ = std::move(opened);
    }
    TG_CHECK(flood->reload());
    TG_CHECK(flood->restore_devices());
    flood->saver_ = std::thread([self = flood.get()] { self->run_saver(); });
    return flood;
}

Flood::~Flood() {
    stop();
}

std::shared_ptr<const BasinSet> Flood::basins() const {
    const Lock lock(basins_mutex_);
    return basins_;
}

Result<std::size_t> Flood::reload() {
    std::vector<Basin> stored;
    {
        const Lock lock(store_mutex_);
        TG_TRY(stored, store_->basins());
    }
    auto next = std::make_shared<const BasinSet>(std::move(stored));
    const std::size_t count = next->all().size();
    {
        const Lock lock(basins_mutex_);
        basins_ = std::move(next);
    }
    loaded_ms_.store(needs_.clock.unix_ms());
    if (needs_.drop_answers) needs_.drop_answers("model:" + std::string(kRiskModel));
    return count;
}

Result<void> Flood::restore_devices() {
    std::vector<StoredDevice> stored;
    {
        const Lock lock(store_mutex_);
        TG_TRY(stored, store_->devices());
    }
    const Lock lock(devices_mutex_);
    for (const StoredDevice& one : stored) {
        TG_TRY(Device device, Device::restore(one.state));
        const Held held{.devices = 1, .patterns = device.patterns()};
        if (devices_.emplace(one.key, std::move(device)).second) count_held(tenant_of(one.key), held);
    }
    return {};
}

void Flood::count_held(std::string_view tenant, const Held& more) {
    held_.devices += more.devices;
    held_.patterns += more.patterns;
    Held& mine = held_of_[std::string(tenant)];
    mine.devices += more.devices;
    mine.patterns += more.patterns;
}

Result<void> Flood::has_room(std::string_view tenant, const Held& more) const {
    struct Bound {
        std::string_view what, setting;
        std::uint64_t max, more;
        std::uint64_t Held::* count;
    };
    const FloodSettings& settings = needs_.settings;
    const std::array<Bound, 2> bounds{
        {{"devices", "flood.devices_max", settings.devices_max, more.devices, &Held::devices},
         {"fields of no known kind", "flood.pattern_fields_max", settings.pattern_fields_max, more.patterns,
          &Held::patterns}}};
    const auto mine = held_of_.find(tenant);
    for (const Bound& bound : bounds) {
        if (bound.more == 0) continue;
        if (held_.*bound.count + bound.more > bound.max) {
            return fail(ErrorCode::kUnavailable,
                        fmt::format("No more {} than {} allows can be followed.", bound.what, bound.setting));
        }
        if (tenant.empty()) continue;
        const std::uint64_t share = std::max<std::uint64_t>(1, bound.max * settings.tenant_share_percent / 100);
        const std::uint64_t has = mine == held_of_.end() ? 0 : mine->second.*bound.count;
        if (has + bound.more <= share) continue;
        return fail(ErrorCode::kResourceExhausted,
                    fmt::format("Your tenant has {} {}; one may have {} (flood.tenant_share_percent of {}).", has,
                                bound.what, share, bound.setting));
    }
    return {};
}

Result<Verdict> Flood::take(std::string_view tenant, std::string_view device, const Reading& reading) {
    const std::string key = key_of(tenant, device);
    const Lock lock(devices_mutex_);
    if (stopping_) return fail(ErrorCode::kUnavailable, "The server is stopping.");
    const auto found = devices_.find(key);
    Device fresh;
    Device& state = found == devices_.end() ? fresh : found->second;
    const Held more{.devices = found == devices_.end() ? 1U : 0U, .patterns = state.new_patterns(reading)};
    TG_CHECK(has_room(tenant, more));
    TG_TRY(Verdict verdict, state.add(reading, thresholds()));
    if (more.devices > 0 || more.patterns > 0) count_held(tenant, more);
    if (found == devices_.end()) devices_.emplace(key, std::move(fresh));
    dirty_.insert(key);
    return verdict;
}

std::size_t Flood::devices() const {
    const Lock lock(devices_mutex_);
    return devices_.size();
}

std::size_t Flood::patterns() const {
    const Lock lock(devices_mutex_);
    return held_.patterns;
}

void Flood::save_dirty() {
    std::set<std::string, std::less<>> keys;
    {
        const Lock lock(devices_mutex_);
        keys.swap(dirty_);
    }
    // A commit of some at a time, and the lock for one: readings go on meanwhile.
    constexpr std::size_t kCommit = 256;
    for (auto next = keys.begin(); next != keys.end();) {
        std::vector<StoredDevice> states;
        for (; next != keys.end() && states.size() < kCommit; ++next) {
            const Lock lock(devices_mutex_);
            states.push_back({*next, devices_.find(*next)->second.save()});
        }
        Result<void> done;
        {
            const Lock lock(store_mutex_);
            done = store_->save_devices(states, needs_.clock.unix_ms());
        }
        if (done) {
            saved_.add(states.size());
            continue;
        }
        save_failures_.add();
        const Lock lock(devices_mutex_);
        for (const StoredDevice& one : states) dirty_.insert(one.key);
        dirty_.insert(next, keys.end());
        return;
    }
}

void Flood::run_saver() {
    for (bool last = false; !last;) {
        {
            const Lock lock(devices_mutex_);
            if (!stopping_) wake_.wait_for(devices_mutex_, needs_.settings.save_every);
            last = stopping_;
        }
        save_dirty();
    }
}

void Flood::stop() {
    {
        const Lock lock(devices_mutex_);
        stopping_ = true;
    }
    wake_.notify_all();
    if (saver_.joinable()) saver_.join();
}

void Flood::register_routes(std::vector<pipeline::Route>& routes) {
    register_risk_routes(routes, *this);
    register_anomaly_route(routes, *this);
    register_model_routes(routes, *this);
}

}  // namespace tidegate::flood
