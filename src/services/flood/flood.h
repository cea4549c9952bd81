// Flood: the risk of a place, the faults of a sensor; what the service holds while it runs.
//
// Position    A service: Flood::open() reads what is stored, register_routes() puts its routes into the table.
// Guarantee   Basins are swapped whole: a request sees one set. The state of a device that a reading changed is stored within
//             flood.save_every_ms and at stop(); at most that much is lost when the process is killed.
// Threads     register_routes() and stop() on the main thread; the rest any. A saver of its own writes.
// When it fails  A store that does not take the state: counted and tried again each turn; answers go on.
#pragma once

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "base/mutex.h"
#include "observe/metrics.h"
#include "pipeline/route.h"
#include "services/flood/hydro/basin.h"
#include "services/flood/sensor/device.h"
#include "services/flood/settings.h"
#include "services/flood/store.h"
#include "services/module/module.h"

namespace tidegate::flood {

inline constexpr std::string_view kService = "flood";
inline constexpr std::string_view kRiskModel = "risk_scorer";
inline constexpr std::string_view kAnomalyModel = "anomaly_detector";
inline constexpr std::string_view kRiskVersion = "risk-1";
inline constexpr std::string_view kAnomalyVersion = "trend-tail-1+pattern-2";

/// A basin ready to be asked.
struct ServedBasin {
    Basin basin;
    HydroModel model;
    explicit ServedBasin(Basin of) : basin(std::move(of)), model(basin.model()) {}
};

/// Those that are loaded; never changes once made.
class BasinSet {
  public:
    explicit BasinSet(std::vector<Basin> basins);
    const ServedBasin* find(std::string_view id) const noexcept;
    /// The nearest gauge whose catchment, were it a circle about it, holds the place.
    const ServedBasin* around(double latitude, double longitude) const noexcept;
    const std::vector<std::unique_ptr<const ServedBasin>>& all() const noexcept { return basins_; }

  private:
    std::vector<std::unique_ptr<const ServedBasin>> basins_;  // By id.
};

struct ModelUse {
    std::atomic<std::uint64_t> answers{0}, failures{0}, spent_ns{0};
};

struct FloodNeeds {
    const FloodSettings& settings;
    const Clock& clock;
    std::string database_path;
    /// Drops the kept answers with this tag: how many.
    std::function<std::uint64_t(std::string_view tag)> drop_answers;
};

class Flood final : public service::Service {
  public:
    static Result<std::unique_ptr<Flood>> open(FloodNeeds needs);
    ~Flood() override;

    void register_routes(std::vector<pipeline::Route>& routes) override;
    void declare_metrics(observe::Registry& registry) const override;
    /// Stores what is left; after it no reading is taken. Once; the destructor does it too.
    void stop() override;

    const FloodSettings& settings() const noexcept { return needs_.settings; }
    const Clock& clock() const noexcept { return needs_.clock; }
    std::shared_ptr<const BasinSet> basins() const;
    /// Reads the basins again; gives their number.
    Result<std::size_t> reload();
    std::uint64_t drop_answers(std::string_view tag) const { return needs_.drop_answers(tag); }
    UnixMillis loaded_ms() const noexcept { return loaded_ms_.load(); }

    /// kConflict: not after the device's last reading. kUnavailable: flood.devices_max or flood.pattern_fields_max is reached, or stop()
    /// was called. kResourceExhausted: the tenant has its share of them. Who has no tenant has no share either.
    Result<Verdict> take(std::string_view tenant, std::string_view device, const Reading& reading);
    Thresholds thresholds() const noexcept {
        return {.trend = needs_.settings.anomaly_threshold, .pattern = needs_.settings.pattern_threshold};
    }
    std::size_t devices() const;
    /// Fields of no known kind, of all devices.
    std::size_t patterns() const;
    ModelUse& use_of(bool anomaly) noexcept { return anomaly ? anomaly_use_ : risk_use_; }

  private:
    explicit Flood(FloodNeeds needs) : needs_(std::move(needs)) {}
    Result<void> restore_devices();
    /// What is held, of all or of a tenant.
    struct Held {
        std::uint64_t devices = 0, patterns = 0;
    };
    Result<void> has_room(std::string_view tenant, const Held& more) const TG_REQUIRES(devices_mutex_);
    void count_held(std::string_view tenant, const Held& more) TG_REQUIRES(devices_mutex_);
    void run_saver();
    void save_dirty();

    const FloodNeeds needs_;
    mutable Mutex store_mutex_;
    std::unique_ptr<FloodStore> store_ TG_GUARDED_BY(store_mutex_);
    mutable Mutex basins_mutex_;
    std::shared_ptr<const BasinSet> basins_ TG_GUARDED_BY(basins_mutex_);
    std::atomic<UnixMillis> loaded_ms_{0};

    mutable Mutex devices_mutex_;
    std::map<std::string, Device, std::less<>> devices_ TG_GUARDED_BY(devices_mutex_);
    Held held_ TG_GUARDED_BY(devices_mutex_);
    std::map<std::string, Held, std::less<>> held_of_ TG_GUARDED_BY(devices_mutex_);  // By tenant.
    std::set<std::string, std::less<>> dirty_ TG_GUARDED_BY(devices_mutex_);
    bool stopping_ TG_GUARDED_BY(devices_mutex_) = false;
    Condition wake_;
    std::thread saver_;

    ModelUse risk_use_, anomaly_use_;
    observe::Counter saved_, save_failures_;
};

// The parts of the table, a file each.
void register_risk_routes(std::vector<pipeline::Route>& routes, Flood& flood);
void register_anomaly_route(std::vector<pipeline::Route>& routes, Flood& flood);
void register_model_routes(std::vector<pipeline::Route>& routes, Flood& flood);

}  // namespace tidegate::flood
