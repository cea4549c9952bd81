// A client's name for something, in a message.
#pragma once

#include <string>
#include <string_view>

namespace tidegate::model {

/// Cut, so that nobody is answered with a megabyte of his own.
inline std::string shown(std::string_view name) {
    return std::string(name.substr(0, 128));
}

}  // namespace tidegate::model
