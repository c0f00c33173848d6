*** Comments ***
The firmware with the echo engine on Renode's nRF52840, in the words of its serial protocol. Run by
tests/device/test_renode.py, or by hand (build it first: pio run -e nrf52840-echo, in firmware/):

    renode-test nrf52840.robot --variable ELF:/path/to/firmware.elf

Arguments must not contain an equals sign: Renode's keywords would take them for named ones.

*** Variables ***
${TIMEOUT}      10

*** Keywords ***
Start Firmware
    ${folder}    Evaluate    r"${CURDIR}".replace(" ", "\\ ")
    ${firmware}    Evaluate    r"${ELF}".replace(" ", "\\ ")
    Execute Command    mach create
    Execute Command    machine LoadPlatformDescription @${folder}/nrf52840.repl
    Execute Command    sysbus LoadELF @${firmware}
    Execute Command    cpu VectorTableOffset 0x0
    Create Terminal Tester    sysbus.uart0    ${TIMEOUT}
    Start Emulation
    Wait For Line On Uart    m-init-done
    Wait For Line On Uart    m-ready

*** Test Cases ***
Firmware Says Hello And Its Name
    Start Firmware
    Write To Uart    name%
    Wait For Line On Uart    m-name-dut-[espalier]
    Wait For Line On Uart    m-ready

Firmware Says What It Is
    Start Firmware
    Write To Uart    info%
    Wait For Line On Uart    "clock":"cycle-counter","ticks_per_second":64000000
    Wait For Line On Uart    m-ready

Firmware Infers From An Input
    Start Firmware
    Write To Uart    db load 16%
    Wait For Line On Uart    m-[Expecting 16 bytes]
    Wait For Line On Uart    m-ready
    Write To Uart    db 000102030405060708090a0b0c0d0e0f%
    Wait For Line On Uart    m-load-done
    Wait For Line On Uart    m-ready
    Write To Uart    infer 1 0%
    Wait For Line On Uart    m-infer-done
    Wait For Line On Uart    m-results-[
    Wait For Line On Uart    m-ready

Firmware Refuses What It Does Not Know
    Start Firmware
    Write To Uart    moon%
    Wait For Line On Uart    e-[Unknown command: moon]
    Wait For Line On Uart    m-ready
