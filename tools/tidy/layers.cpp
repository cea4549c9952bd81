#include <algorithm>
#include <array>
#include <optional>

#include "tidy/checks.h"

namespace tidegate::tidy {
namespace {

struct Floor {
    std::string_view room;
    int floor;
};

// ARCHITECTURE.md's table: data walks down, so a room includes rooms on lower floors only. Every folder of
// services/ is a room of its own; what a service is to the house lies below them all.
constexpr std::array<Floor, 21> kFloors{{{"app", 8},
                                         {"services", 7},
                                         {"services/module", 6},
                                         {"pipeline", 5},
                                         {"bus", 5},
                                         {"load", 5},
                                         {"alerts", 5},
                                         {"performance", 5},
                                         {"audit", 4},
                                         {"drift", 4},
                                         {"model", 4},
                                         {"jobs", 4},
                                         {"store", 3},
                                         {"telemetry", 3},
                                         {"media", 3},
                                         {"http", 3},
                                         {"observe", 2},
                                         {"settings", 2},
                                         {"runtime", 2},
                                         {"base", 1},
                                         // Made by the build (files put into the binary); whoever names them owns them.
                                         {"generated", 0}}};

std::optional<int> floor_of(std::string_view room) {
    const std::string_view top = room.substr(0, room.find('/'));
    auto found = std::ranges::find(kFloors, room, &Floor::room);
    if (found == kFloors.end()) found = std::ranges::find(kFloors, top, &Floor::room);
    return found == kFloors.end() ? std::nullopt : std::optional(found->floor);
}

// `src/` taken off: `http/server.h` -> `http`, `services/flood/gauge.h` -> `services/flood`.
std::string_view room_of(std::string_view path) {
    const std::size_t first = path.find('/');
    if (path.starts_with("services/")) return path.substr(0, path.find('/', first + 1));
    return path.substr(0, first);
}

// The path between quotes of an #include line that is code; empty otherwise.
std::string_view quoted_include(std::string_view text_line, std::string_view code_line) {
    if (!code_line.starts_with("#include \"")) return {};
    const std::size_t open = text_line.find('"') + 1;
    return text_line.substr(open, text_line.find('"', open) - open);
}

}  // namespace

Findings check_floors(const Tree& tree) {
    Findings findings;
    for (const auto& [path, file] : tree) {
        if (!path.starts_with("src/") || !is_cpp(path)) continue;
        const std::string_view own = room_of(std::string_view(path).substr(4));
        const auto own_floor = floor_of(own);
        if (!own_floor) {
            findings.push_back({path, 1, "the room is not in the table of tools/tidy/layers.cpp"});
            continue;
        }
        const auto text_lines = lines_of(file.text);
        const auto code_lines = lines_of(file.code);
        for (std::size_t i = 0; i < code_lines.size(); ++i) {
            const std::string_view included = quoted_include(text_lines[i], code_lines[i]);
            if (included.empty()) continue;
            const int line = static_cast<int>(i) + 1;
            const std::string_view other = room_of(included);
            const auto floor = floor_of(other);
            if (!floor) {
                findings.push_back({path, line, std::string(included) + ": includes are rooted at src/"});
            } else if (other != own && *floor >= *own_floor) {
                findings.push_back({path, line,
                                    std::string(own) + " (floor " + std::to_string(*own_floor) + ") may not include " +
                                        std::string(other) + " (floor " + std::to_string(*floor) + ")"});
            } else if (*floor > 0 && !tree.contains("src/" + std::string(included))) {
                findings.push_back({path, line, std::string(included) + " does not exist"});
            }
        }
    }
    return findings;
}

}  // namespace tidegate::tidy
