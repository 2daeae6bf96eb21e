import { mount } from "svelte";
import "virtual:report.css";
import "./style.css";
import App from "./App.svelte";

const target = document.querySelector("#app");
if (target === null) throw new Error("the page has no place for the studio");
mount(App, { target });
