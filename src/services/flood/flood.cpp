#include "services/flood/flood.h"

#include <algorithm>
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
        if (devices_.emplace(one.key, std::move(device)).second) ++devices_of_[std::string(tenant_of(one.key))];
    }
    return {};
}

Result<void> Flood::has_room_for_device(std::string_view tenant) const {
    const std::uint64_t max = needs_.settings.devices_max;
    if (devices_.size() >= max) {
        return fail(ErrorCode::kUnavailable, "As many devices as flood.devices_max allows are known already.");
    }
    if (tenant.empty()) return {};
    const std::uint64_t share = std::max<std::uint64_t>(1, max * needs_.settings.tenant_share_percent / 100);
    const auto mine = devices_of_.find(tenant);
    if (mine == devices_of_.end() || mine->second < share) return {};
    return fail(ErrorCode::kResourceExhausted,
                "Your tenant has " + std::to_string(mine->second) +
                    " devices, as many as one may have (flood.tenant_share_percent of flood.devices_max).");
}

Result<Verdict> Flood::take(std::string_view tenant, std::string_view device, const Reading& reading) {
    const std::string key = key_of(tenant, device);
    const Lock lock(devices_mutex_);
    if (stopping_) return fail(ErrorCode::kUnavailable, "The server is stopping.");
    auto found = devices_.find(key);
    if (found == devices_.end()) {
        TG_CHECK(has_room_for_device(tenant));
        found = devices_.emplace(key, Device()).first;
        ++devices_of_[std::string(tenant)];
    }
    auto verdict = found->second.add(reading, needs_.settings.anomaly_threshold);
    if (verdict) dirty_.insert(key);
    if (!verdict && found->second.readings() == 0) {
        devices_.erase(found);
        const auto mine = devices_of_.find(tenant);
        if (--mine->second == 0) devices_of_.erase(mine);
    }
    return verdict;
}

std::size_t Flood::devices() const {
    const Lock lock(devices_mutex_);
    return devices_.size();
}

void Flood::save_dirty() {
    std::vector<StoredDevice> states;
    {
        const Lock lock(devices_mutex_);
        for (const std::string& key : dirty_) states.push_back({key, devices_.find(key)->second.save()});
        dirty_.clear();
    }
    if (states.empty()) return;
    Result<void> done;
    {
        const Lock lock(store_mutex_);
        done = store_->save_devices(states, needs_.clock.unix_ms());
    }
    if (done) {
        saved_.add(states.size());
        return;
    }
    save_failures_.add();
    const Lock lock(devices_mutex_);
    for (const StoredDevice& one : states) dirty_.insert(one.key);
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
