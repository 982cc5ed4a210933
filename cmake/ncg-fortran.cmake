# The Fortran module, compiled with the user's compiler: a .mod file of another compiler, or of another version of it, would
# not be readable.
function(ncg_add_fortran folder)
    get_property(languages GLOBAL PROPERTY ENABLED_LANGUAGES)
    if(NOT Fortran IN_LIST languages OR TARGET ncg_fortran)
        return()
    endif()
    set(modules "${CMAKE_CURRENT_BINARY_DIR}/ncg_fortran_modules")
    add_library(ncg_fortran STATIC "${folder}/ncg.f90")
    set_target_properties(ncg_fortran PROPERTIES Fortran_MODULE_DIRECTORY "${modules}" POSITION_INDEPENDENT_CODE ON)
    target_include_directories(ncg_fortran PUBLIC "${modules}")
    target_link_libraries(ncg_fortran PUBLIC ncg::ncg)
    add_library(ncg::fortran ALIAS ncg_fortran)
endfunction()
