// `tidegate flood load|list|remove`: the gauged basins that the flood service answers from.
#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <map>

#include "base/file.h"
#include "base/hash.h"
#include "base/strings.h"
#include "services/flood/commands.h"
#include "services/flood/hydro/calibrate.h"
#include "services/flood/store.h"

namespace tidegate::flood {
namespace {

constexpr std::uint64_t kBasinFileBytesMax = 256ULL * 1024 * 1024;
constexpr std::string_view kBasinUsage =
    "flood takes: load BASIN.csv --area KM2 [--name NAME] [--latitude D --longitude D] | list | remove NAME";

struct BasinArguments {
    std::string file, name;
    double area = 0;
    double latitude = std::nan(""), longitude = std::nan("");
};

bool is_name(std::string_view name) {
    const auto fits = [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_' ||
               c == '.';
    };
    return !name.empty() && name.size() <= 64 && std::ranges::all_of(name, fits);
}

Result<BasinArguments> read_basin_arguments(const std::vector<std::string>& words) {
    std::map<std::string_view, std::string> options{
        {"--area", ""}, {"--name", ""}, {"--latitude", ""}, {"--longitude", ""}};
    if (words.size() < 2 || words.size() % 2 != 0) return fail(ErrorCode::kInvalidArgument, std::string(kBasinUsage));
    for (std::size_t i = 2; i < words.size(); i += 2) {
        const auto option = options.find(words[i]);
        if (option == options.end()) return fail(ErrorCode::kInvalidArgument, std::string(kBasinUsage));
        option->second = words[i + 1];
    }
    BasinArguments out{.file = words[1], .name = options["--name"]};
    if (out.name.empty()) out.name = std::filesystem::path(out.file).stem().string();
    if (!is_name(out.name)) {
        return fail(ErrorCode::kInvalidArgument,
                    "a basin's name has 1 to 64 letters, digits, dots, dashes or underscores");
    }
    const auto number = [&](std::string_view option, double low, double high) -> Result<double> {
        const auto value = parse_double(options[option]);
        if (value && *value >= low && *value <= high) return *value;
        return fail(ErrorCode::kInvalidArgument, fmt::format("{} takes a number from {} to {}", option, low, high));
    };
    TG_TRY(out.area, number("--area", 0.01, 7e6));
    if (options["--latitude"].empty() && options["--longitude"].empty()) return out;
    TG_TRY(out.latitude, number("--latitude", -90, 90));
    TG_TRY(out.longitude, number("--longitude", -180, 180));
    return out;
}

Result<std::unique_ptr<FloodStore>> open_store(const service::CommandInput& input, const Clock& clock) {
    SystemDisk disk;
    TG_CHECK(disk.make_directories(input.data_dir));
    return FloodStore::open(input.database_path, clock);
}

Result<void> load_basin(const service::CommandInput& input) {
    TG_TRY(const BasinArguments arguments, read_basin_arguments(input.words));
    const SystemDisk disk;
    const SystemClock clock;
    TG_TRY(const std::string csv, disk.read(arguments.file, kBasinFileBytesMax));
    TG_TRY(const Series series, read_series(csv));
    fmt::print(stderr, "tidegate: calibrating on {} steps of {} h\n", series.size(), series.step_hours);
    TG_TRY(Basin basin, calibrate(series));
    basin.id = arguments.name;
    basin.area_km2 = arguments.area;
    basin.latitude = arguments.latitude;
    basin.longitude = arguments.longitude;
    basin.version = "gr4j-1 " + to_hex(sha256(csv)).substr(0, 12);
    TG_TRY(const auto store, open_store(input, clock));
    TG_CHECK(store->save_basin(basin, clock.unix_ms()));
    fmt::print("{}: Nash-Sutcliffe efficiency {:.3f} simulated, {:.3f} with the last observation, over {} steps\n",
               basin.id, basin.fit.nse_simulated, basin.fit.nse_corrected, basin.fit.rows);
    fmt::print("floods of 2, 5, 20 years: {:.3g}, {:.3g}, {:.3g} m3/s, from {} years\n",
               basin.discharge(basin.thresholds.levels[0]), basin.discharge(basin.thresholds.levels[1]),
               basin.discharge(basin.thresholds.levels[2]), basin.thresholds.years);
    fmt::print("stored; a server that runs takes it up with POST /api/v1/models/reload\n");
    return {};
}

Result<void> list_basins(const service::CommandInput& input) {
    const SystemClock clock;
    TG_TRY(const auto store, open_store(input, clock));
    TG_TRY(const std::vector<Basin> basins, store->basins());
    for (const Basin& basin : basins) {
        fmt::print("{}  {} km2  {} h  until {}  NSE {:.3f}  {} years\n", basin.id, basin.area_km2, basin.step_hours,
                   format_rfc3339(basin.state_time), basin.fit.nse_corrected, basin.thresholds.years);
    }
    if (basins.empty()) fmt::print("no basin is loaded\n");
    return {};
}

Result<void> remove_basin(const service::CommandInput& input) {
    const SystemClock clock;
    TG_TRY(const auto store, open_store(input, clock));
    TG_TRY(const bool was_there, store->remove_basin(input.words[1]));
    if (!was_there) return fail(ErrorCode::kNotFound, "no basin of that name is loaded");
    fmt::print("removed {}\n", input.words[1]);
    return {};
}

}  // namespace

int run_command(const service::CommandInput& input) {
    const std::vector<std::string>& words = input.words;
    Result<void> done;
    if (!words.empty() && words[0] == "load") {
        done = load_basin(input);
    } else if (words.size() == 1 && words[0] == "list") {
        done = list_basins(input);
    } else if (words.size() == 2 && words[0] == "remove") {
        done = remove_basin(input);
    } else {
        return service::wrong_use(kBasinUsage);
    }
    if (done) return 0;
    if (done.error().message == kBasinUsage) return service::wrong_use(done.error().message);
    return service::failed(done.error());
}

}  // namespace tidegate::flood
