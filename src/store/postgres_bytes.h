// Numbers as PostgreSQL's protocol has them: the byte of the highest value first.
#pragma once

#include <cstdint>
#include <string>

namespace tidegate::store {

template <class T>
void append_network(std::string& out, T value) {
    for (std::size_t i = sizeof(T); i-- > 0;) {
        out.push_back(static_cast<char>(static_cast<std::uint64_t>(value) >> (8 * i)));
    }
}

}  // namespace tidegate::store
