// Listens to a stream of server-sent events.
#pragma once

#include <string>
#include <string_view>

#include "base/strings.h"
#include "system/client.h"

namespace tidegate::testing {

/// An event of a stream.
struct Event {
    std::string name;
    std::string id;
    std::string data;
};

/// A connection that listens to server-sent events.
class Listener {
  public:
    Listener(std::uint16_t port, const std::string& target, const HeaderList& headers) : client_(port) {
        client_.send(request_text("GET", target, {}, headers));
        // The first comment says that it listens.
        listening_ = client_.wait_for(": open\n\n");
    }
    bool listening() const noexcept { return listening_; }
    /// The next event with this name; an empty one when it does not come.
    Event next(std::string_view name) {
        while (true) {
            std::size_t end = 0;
            while ((end = text_.find("\n\n")) == std::string::npos) {
                const std::string more = client_.receive();
                if (more.empty()) return {};
                text_ += more;
            }
            const Event event = read(text_.substr(0, end));
            text_.erase(0, end + 2);
            if (event.name == name) return event;
        }
    }

  private:
    /// The chunks' sizes stand on lines of their own; no field looks like them.
    static Event read(const std::string& block) {
        Event event;
        for (const std::string_view line : split(block, '\n')) {
            if (line.starts_with("event: ")) event.name = line.substr(7);
            if (line.starts_with("id: ")) event.id = line.substr(4);
            if (line.starts_with("data: ")) event.data = line.substr(6);
        }
        return event;
    }
    RawClient client_;
    bool listening_ = false;
    std::string text_;
};

}  // namespace tidegate::testing
