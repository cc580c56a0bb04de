# SPDX-License-Identifier: MIT
#
# What `cmake --install` puts in place: the programs, and libbaton for authors of children: one
# header, a shared and a static library, and what pkg-config and find_package need. Both libraries
# are the objects that our own children use; of their symbols only baton_* can be seen, so that an
# author's own conn_create or loop_run clashes with nothing.

include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

# Programs.
foreach(program baton baton-auth-jwt baton-echo baton-chat baton-static baton-status)
	if(TARGET ${program})
		install(TARGETS ${program} RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
	endif()
endforeach()

# The libraries.
set_property(TARGET baton_loop baton_handoff PROPERTY C_VISIBILITY_PRESET hidden)
set(objects $<TARGET_OBJECTS:baton_child> $<TARGET_OBJECTS:baton_loop>
	$<TARGET_OBJECTS:baton_handoff>)

add_library(baton_shared SHARED ${objects})
set_target_properties(baton_shared PROPERTIES LINKER_LANGUAGE C OUTPUT_NAME baton
	EXPORT_NAME baton VERSION ${PROJECT_VERSION} SOVERSION ${PROJECT_VERSION_MAJOR})
target_link_libraries(baton_shared PRIVATE PkgConfig::CRYPTO PkgConfig::ZLIB Threads::Threads)
target_include_directories(baton_shared INTERFACE
	$<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)

# An archive hides nothing; one object whose other symbols have become local does.
function(baton_archive name keep)
	set(folder ${CMAKE_BINARY_DIR}/installed) # the build has a libbaton_lws.a too
	file(MAKE_DIRECTORY ${folder})
	set(whole ${folder}/${name}.o)
	set(archive ${folder}/${name}.a)
	add_custom_command(OUTPUT ${archive}
		COMMAND ${CMAKE_LINKER} -r -o ${whole} ${ARGN}
		COMMAND ${CMAKE_OBJCOPY} --wildcard "--keep-global-symbol=${keep}" ${whole}
		COMMAND ${CMAKE_COMMAND} -E rm -f ${archive}
		COMMAND ${CMAKE_AR} rcs ${archive} ${whole}
		DEPENDS ${ARGN} baton_child baton_loop baton_handoff
		COMMAND_EXPAND_LISTS VERBATIM)
	add_custom_target(${name}_archive ALL DEPENDS ${archive})
	install(FILES ${archive} DESTINATION ${CMAKE_INSTALL_LIBDIR})
endfunction()

baton_archive(libbaton baton_* ${objects})

# The adapter for libwebsockets programs: of libbaton it holds the few objects that it needs.
if(TARGET baton_lws)
	baton_archive(libbaton_lws baton_lws_* $<TARGET_OBJECTS:baton_lws>
		$<TARGET_FILE:baton_child> $<TARGET_FILE:baton_loop> $<TARGET_FILE:baton_handoff>)
	install(FILES ${CMAKE_SOURCE_DIR}/child/lws/baton_lws.h
		DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
	set(modules libbaton libbaton_lws)
else()
	set(modules libbaton)
endif()

# The demo's page, for baton-static.
install(DIRECTORY ${CMAKE_SOURCE_DIR}/child/static/www
	DESTINATION ${CMAKE_INSTALL_DATADIR}/baton)

install(TARGETS baton_shared EXPORT baton-targets LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(FILES ${CMAKE_SOURCE_DIR}/child/libbaton/baton.h
	DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})

# pkg-config. Its paths are relative, so that --prefix at installation, or a move, breaks nothing.
file(RELATIVE_PATH BATON_PREFIX_FROM_PC ${CMAKE_INSTALL_FULL_LIBDIR}/pkgconfig
	${CMAKE_INSTALL_PREFIX})
string(REGEX REPLACE "/$" "" BATON_PREFIX_FROM_PC ${BATON_PREFIX_FROM_PC})
foreach(module ${modules})
	configure_file(${CMAKE_CURRENT_LIST_DIR}/${module}.pc.in ${CMAKE_BINARY_DIR}/${module}.pc @ONLY)
	install(FILES ${CMAKE_BINARY_DIR}/${module}.pc
		DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
endforeach()

# CMake: find_package(baton) gives baton::baton (shared), baton::static and baton::lws.
set(package ${CMAKE_INSTALL_LIBDIR}/cmake/baton)
configure_package_config_file(${CMAKE_CURRENT_LIST_DIR}/baton-config.cmake.in
	${CMAKE_BINARY_DIR}/baton-config.cmake INSTALL_DESTINATION ${package}
	PATH_VARS CMAKE_INSTALL_LIBDIR CMAKE_INSTALL_INCLUDEDIR)
write_basic_package_version_file(${CMAKE_BINARY_DIR}/baton-config-version.cmake
	COMPATIBILITY SameMinorVersion)
install(EXPORT baton-targets NAMESPACE baton:: DESTINATION ${package})
install(FILES ${CMAKE_BINARY_DIR}/baton-config.cmake
	${CMAKE_BINARY_DIR}/baton-config-version.cmake DESTINATION ${package})
