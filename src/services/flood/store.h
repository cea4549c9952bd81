// FloodStore: basins and the state of devices in SQLite, in the server's database.
//
// Guarantee   save_devices() stores all or nothing.
// Threads     One at a time.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "services/flood/hydro/basin.h"
#include "store/sqlite.h"

namespace tidegate::flood {

struct StoredDevice {
    std::string key;    // Tenant and device.
    std::string state;  // As Device::save() gives it.
};

class FloodStore {
  public:
    /// Makes the tables where they are missing.
    static Result<std::unique_ptr<FloodStore>> open(const std::string& path, const Clock& clock);

    Result<void> save_basin(const Basin& basin, UnixMillis now);
    /// False: there was none of that name.
    Result<bool> remove_basin(std::string_view id);
    Result<std::vector<Basin>> basins();
    Result<void> save_devices(std::span<const StoredDevice> devices, UnixMillis now);
    Result<std::vector<StoredDevice>> devices();

  private:
    explicit FloodStore(store::Database database) : database_(std::move(database)) {}
    store::Database database_;
};

}  // namespace tidegate::flood
