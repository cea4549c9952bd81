# `cpack` in a release build folder makes two Debian packages (tools/dev/package.sh, `./dev package`):
#
#   tidegate              the server, its unit, settings, manual page and operator's pages
#   tidegate-onnxruntime  ONNX Runtime's library for it, where build/deps has it (tools/dev/onnx.sh): Debian 12 has no package of it.
#                         It lies in /usr/lib/tidegate, where the server looks and nobody else, so that it can stand beside a later
#                         Debian's own. Without it the server serves no models and everything else works.
include(GNUInstallDirs)
set(TIDEGATE_ONNX_LIBRARY ${CMAKE_SOURCE_DIR}/build/deps/onnxruntime/lib/libonnxruntime.so.1 CACHE FILEPATH "What tidegate-onnxruntime holds")

install(PROGRAMS $<TARGET_FILE:tidegate> DESTINATION bin COMPONENT tidegate)
install(FILES deploy/systemd/tidegate.service DESTINATION lib/systemd/system COMPONENT tidegate)
install(FILES deploy/systemd/tidegate.sysusers DESTINATION lib/sysusers.d RENAME tidegate.conf COMPONENT tidegate)
install(FILES deploy/debian/tidegate.yaml DESTINATION /etc/tidegate COMPONENT tidegate)
install(FILES deploy/debian/tidegate.logrotate DESTINATION /etc/logrotate.d RENAME tidegate COMPONENT tidegate)
install(FILES deploy/debian/copyright docs/operations.md docs/audit.md docs/settings.md DESTINATION share/doc/tidegate COMPONENT tidegate)
install(DIRECTORY deploy/nginx DESTINATION share/doc/tidegate/examples COMPONENT tidegate)
if(EXISTS ${CMAKE_SOURCE_DIR}/deploy/prometheus)
  install(DIRECTORY deploy/prometheus deploy/grafana DESTINATION share/doc/tidegate/examples COMPONENT tidegate)
endif()

# What Debian's policy asks for in compressed form, without a time in it: the same sources make the same file.
foreach(name changelog.Debian tidegate.1)
  add_custom_command(OUTPUT ${CMAKE_BINARY_DIR}/package/${name}.gz
    COMMAND ${CMAKE_COMMAND} -E make_directory ${CMAKE_BINARY_DIR}/package
    COMMAND gzip -9nc ${CMAKE_SOURCE_DIR}/deploy/debian/${name} > ${CMAKE_BINARY_DIR}/package/${name}.gz
    DEPENDS ${CMAKE_SOURCE_DIR}/deploy/debian/${name} VERBATIM)
endforeach()
add_custom_target(package_files DEPENDS ${CMAKE_BINARY_DIR}/package/changelog.Debian.gz ${CMAKE_BINARY_DIR}/package/tidegate.1.gz)
install(FILES ${CMAKE_BINARY_DIR}/package/changelog.Debian.gz DESTINATION share/doc/tidegate COMPONENT tidegate)
install(FILES ${CMAKE_BINARY_DIR}/package/tidegate.1.gz DESTINATION share/man/man1 COMPONENT tidegate)

set(CPACK_COMPONENTS_ALL tidegate)
if(EXISTS ${TIDEGATE_ONNX_LIBRARY})
  list(APPEND CPACK_COMPONENTS_ALL onnxruntime)
  install(FILES ${TIDEGATE_ONNX_LIBRARY} DESTINATION lib/tidegate COMPONENT onnxruntime)
  install(FILES deploy/debian/onnxruntime.copyright DESTINATION share/doc/tidegate-onnxruntime RENAME copyright COMPONENT onnxruntime)
  install(FILES ${CMAKE_BINARY_DIR}/package/changelog.Debian.gz DESTINATION share/doc/tidegate-onnxruntime COMPONENT onnxruntime)
endif()

set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_NAME tidegate)
set(CPACK_PACKAGE_VENDOR Tidegate)
set(CPACK_PACKAGE_CONTACT "Tidegate maintainers <maintainers@tidegate.invalid>")
set(CPACK_PACKAGE_VERSION ${PROJECT_VERSION})
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_DEB_COMPONENT_INSTALL ON)
set(CPACK_COMPONENTS_GROUPING IGNORE)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_RELEASE 1)
set(CPACK_DEBIAN_COMPRESSION_TYPE xz)
set(CPACK_DEBIAN_TIDEGATE_PACKAGE_NAME tidegate)
set(CPACK_DEBIAN_TIDEGATE_PACKAGE_SECTION httpd)
set(CPACK_DEBIAN_TIDEGATE_PACKAGE_SHLIBDEPS ON)
# What shlibdeps cannot see: the account is made by adduser, time zones are read by spend.time_zone, certificates by upstreams.
set(CPACK_DEBIAN_TIDEGATE_PACKAGE_DEPENDS "adduser, tzdata, ca-certificates")
set(CPACK_DEBIAN_TIDEGATE_PACKAGE_RECOMMENDS "tidegate-onnxruntime, logrotate, pocketsphinx-en-us")
set(CPACK_DEBIAN_TIDEGATE_PACKAGE_SUGGESTS "nginx, postgresql, redis-server")
set(CPACK_COMPONENT_TIDEGATE_DESCRIPTION "gate for AI decisions over HTTP with an honest record
One server in front of models and AI services: limits, spend, caches, a
tamper-evident record of every decision with proofs, drift detection, and
figures that were measured.")
set(CPACK_DEBIAN_TIDEGATE_PACKAGE_CONTROL_EXTRA
  "${CMAKE_SOURCE_DIR}/deploy/debian/conffiles;${CMAKE_SOURCE_DIR}/deploy/debian/postinst;${CMAKE_SOURCE_DIR}/deploy/debian/prerm;${CMAKE_SOURCE_DIR}/deploy/debian/postrm")
set(CPACK_DEBIAN_TIDEGATE_PACKAGE_CONTROL_STRICT_PERMISSION ON)
set(CPACK_DEBIAN_ONNXRUNTIME_PACKAGE_NAME tidegate-onnxruntime)
set(CPACK_DEBIAN_ONNXRUNTIME_PACKAGE_SECTION libs)
set(CPACK_DEBIAN_ONNXRUNTIME_PACKAGE_SHLIBDEPS ON)
set(CPACK_COMPONENT_ONNXRUNTIME_DESCRIPTION "ONNX Runtime's library for tidegate
The library that runs ONNX models, in a folder of its own where tidegate
looks for it. Debian 12 has no package of it.")
include(CPack)
