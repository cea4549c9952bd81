// ByteTrie: finds the longest of many strings that begins at a place, one array look-up a byte.
//
// Algorithm   A double array (Aoe 1989): node n has the child for byte b at base[n] ^ b, and the child knows its parent.
// Memory      12 bytes a node; BERT's 30,522 tokens make some 95,000 nodes.
// Threads     Read only after build().
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <utility>
#include <vector>

namespace tidegate::model {

class ByteTrie {
  public:
    static constexpr std::uint32_t kRoot = 0;
    static constexpr std::uint32_t kNowhere = UINT32_MAX;
    using Key = std::pair<std::string_view, std::uint32_t>;

    /// Keys with their values; sorts them. Of equal keys the highest value counts; empty ones are left out. Values below 2^32 - 1.
    void build(std::vector<Key> keys);

    struct Match {
        std::uint32_t length = 0;  // 0: none.
        std::uint32_t value = 0;
    };
    /// The longest key that `text` goes on with from node `from`.
    Match longest(std::string_view text, std::uint32_t from = kRoot) const noexcept {
        Match best;
        std::uint32_t node = from;
        for (std::size_t at = 0; at < text.size(); ++at) {
            const std::uint32_t child = nodes_[node].base ^ static_cast<unsigned char>(text[at]);
            if (child >= nodes_.size() || nodes_[child].parent != node) break;
            node = child;
            if (nodes_[node].value != kNowhere) best = {static_cast<std::uint32_t>(at + 1), nodes_[node].value};
        }
        return best;
    }
    /// The node behind `text`, kNowhere where no key begins so.
    std::uint32_t walk(std::string_view text) const noexcept;
    std::size_t nodes() const noexcept { return nodes_.size(); }

  private:
    struct Node {
        std::uint32_t base;    // kNowhere ^ b lies behind the end of the array: no child.
        std::uint32_t parent;  // kNowhere: free.
        std::uint32_t value;
    };
    static constexpr Node kFree{kNowhere, kNowhere, kNowhere};
    struct Work {
        std::size_t begin, end, depth;
        std::uint32_t node;
    };
    void place(const std::vector<Key>& keys, const Work& work, std::vector<Work>& waiting);
    std::uint32_t find_base(const std::vector<unsigned char>& labels);

    // The root is neither free nor the child of any node.
    static constexpr Node kRootNode{kNowhere, kNowhere - 1, kNowhere};
    std::vector<Node> nodes_{kRootNode};
    std::uint32_t first_free_ = 1;
};

}  // namespace tidegate::model
