// The eight-leaf tree that the Certificate Transparency implementations test with, and its published hashes.
#pragma once

#include <array>
#include <string>
#include <string_view>
#include <vector>

#include "audit/proof/merkle.h"

namespace tidegate::audit::proof {

inline Sha256 hash_of_hex(std::string_view hex) {
    Sha256 hash;
    for (std::size_t i = 0; i < hash.size(); ++i) {
        hash[i] = static_cast<std::uint8_t>(std::stoi(std::string(hex.substr(2 * i, 2)), nullptr, 16));
    }
    return hash;
}

inline HashPath hashes_of_hex(const std::vector<std::string_view>& hexes) {
    HashPath hashes;
    for (const std::string_view hex : hexes) hashes.push_back(hash_of_hex(hex));
    return hashes;
}

inline HashPath known_leaves() {
    using namespace std::string_view_literals;
    HashPath leaves;
    for (const std::string_view record :
         {""sv, "\x00"sv, "\x10"sv, "\x20\x21"sv, "\x30\x31"sv, "\x40\x41\x42\x43"sv,
          "\x50\x51\x52\x53\x54\x55\x56\x57"sv, "\x60\x61\x62\x63\x64\x65\x66\x67\x68\x69\x6a\x6b\x6c\x6d\x6e\x6f"sv}) {
        leaves.push_back(leaf_hash(record));
    }
    return leaves;
}

/// By size, from 0.
inline constexpr std::array<std::string_view, 9> kKnownRoots{
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328"};

/// `n` different leaf hashes.
inline HashPath made_leaves(std::size_t n) {
    HashPath leaves;
    for (std::size_t i = 0; i < n; ++i) leaves.push_back(leaf_hash("record " + std::to_string(i)));
    return leaves;
}

}  // namespace tidegate::audit::proof
