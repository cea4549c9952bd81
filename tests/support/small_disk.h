// SmallDisk: a file system of a few megabytes of its own, to be filled and freed.
//
// Position    Mounted in memory where only this process and its children see it, so that nothing is left behind by a test that dies.
// Needs       The right to mount: root, or a kernel that lets users have name spaces. Without: available() is false.
#pragma once

#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <unistd.h>

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <string>

namespace tidegate::testing {

class SmallDisk {
  public:
    /// To be called before there is a second thread.
    static void prepare() {
        const auto user = ::getuid();
        const auto group = ::getgid();
        if (::unshare(CLONE_NEWNS) != 0) {
            if (::unshare(CLONE_NEWUSER | CLONE_NEWNS) != 0) return;
            std::ofstream("/proc/self/setgroups") << "deny";
            std::ofstream("/proc/self/uid_map") << "0 " << user << " 1";
            std::ofstream("/proc/self/gid_map") << "0 " << group << " 1";
        }
        available_ = ::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0;
    }
    static bool available() noexcept { return available_; }

    /// An empty disk of `megabytes` at `path`, which is made.
    SmallDisk(std::string path, unsigned megabytes) : path_(std::move(path)) {
        std::filesystem::create_directories(path_);
        const std::string size = "mode=0700,size=" + std::to_string(megabytes) + "m";
        mounted_ = ::mount("none", path_.c_str(), "tmpfs", 0, size.c_str()) == 0;
    }
    ~SmallDisk() {
        if (mounted_) ::umount2(path_.c_str(), MNT_DETACH);
    }
    SmallDisk(const SmallDisk&) = delete;
    SmallDisk& operator=(const SmallDisk&) = delete;

    bool mounted() const noexcept { return mounted_; }
    const std::string& path() const noexcept { return path_; }
    /// Takes all the room that is left.
    void fill() const {
        const int file = ::open(ballast().c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
        const std::string zeroes(4096, '\0');
        while (::write(file, zeroes.data(), zeroes.size()) > 0) {
        }
        ::close(file);
    }
    void make_room() const { std::filesystem::remove(ballast()); }

  private:
    std::string ballast() const { return path_ + "/ballast"; }
    static inline bool available_ = false;
    const std::string path_;
    bool mounted_ = false;
};

}  // namespace tidegate::testing
